package bind_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/infra/httpserver/bind"
	"plugboard/infra/httpserver/testdata/hostile"
)

// allRules are the names of all rules of the validator, as its documentation lists them.
const allRules = "iscolor country_code eu_country_code required required_if required_unless skip_unless required_with " +
	"required_with_all required_without required_without_all excluded_if excluded_unless excluded_with excluded_with_all " +
	"excluded_without excluded_without_all isdefault len min max eq eq_ignore_case ne ne_ignore_case lt lte gt gte " +
	"eqfield eqcsfield necsfield gtcsfield gtecsfield ltcsfield ltecsfield nefield gtefield gtfield ltefield ltfield " +
	"fieldcontains fieldexcludes alpha alphaspace alphanum alphanumspace alphaunicode alphanumunicode boolean numeric " +
	"number hexadecimal hexcolor rgb rgba hsl hsla cmyk e164 email url http_url https_url uri origin urn_rfc8141 " +
	"urn_rfc2141 file filepath base32 base64 base64url base64rawurl contains containsany containsrune excludes " +
	"excludesall excludesrune startswith endswith startsnotwith endsnotwith image mimetype isbn isbn10 isbn13 issn " +
	"eth_addr eth_addr_checksum btc_addr btc_addr_bech32 uuid uuid3 uuid4 uuid5 uuid7 uuid_rfc4122 uuid3_rfc4122 " +
	"uuid4_rfc4122 uuid5_rfc4122 ulid md4 md5 sha256 sha384 sha512 ripemd128 ripemd160 tiger128 tiger160 tiger192 ascii " +
	"printascii multibyte datauri latitude longitude ssn ipv4 ipv6 ip cidrv4 cidrv6 cidr tcp4_addr tcp6_addr tcp_addr " +
	"udp4_addr udp6_addr udp_addr ip4_addr ip6_addr ip_addr unix_addr uds_exists mac hostname hostname_rfc1123 " +
	"hostname_label fqdn unique oneof oneofci noneof noneofci html html_encoded url_encoded dir dirpath json jwt " +
	"hostname_port port lowercase uppercase datetime timezone iso3166_1_alpha2 iso3166_1_alpha2_eu iso3166_1_alpha3 " +
	"iso3166_1_alpha3_eu iso3166_1_alpha_numeric iso3166_1_alpha_numeric_eu iso3166_2 iso4217 iso4217_numeric " +
	"bcp47_language_tag bcp47_strict_language_tag postcode_iso3166_alpha2 postcode_iso3166_alpha2_field " +
	"bic_iso_9362_2014 bic semver dns_rfc1035_label credit_card cve luhn_checksum mongodb mongodb_connection_string cron " +
	"spicedb ein duration validateFn omitempty omitnil omitzero structonly nostructlevel dive keys,endkeys"

// parametersOf are the parameters that a rule is tried with: those that fit it, and some that do not.
func parametersOf(rule string) []string {
	switch {
	case strings.HasPrefix(rule, "required_"), strings.HasPrefix(rule, "excluded_"), rule == "skip_unless":
		return []string{"", "=Other", "=Other 1", "=Other x", "=Nobody 1"}
	case strings.HasSuffix(rule, "field"), strings.HasPrefix(rule, "field"):
		return []string{"", "=Other", "=Nobody"}
	case slices.Contains(strings.Fields("len min max eq ne lt lte gt gte oneof"), rule):
		return []string{"", "=1", "=x", "=-1.5"}
	case slices.Contains(strings.Fields(withParameter), rule):
		return []string{"", "=1 x", "=DE"}
	default:
		return []string{"", "=A"}
	}
}

// withParameter are the other rules that have a parameter.
const withParameter = "eq_ignore_case ne_ignore_case contains containsany containsrune excludes excludesall excludesrune startswith endswith startsnotwith " +
	"endsnotwith unique oneofci noneof noneofci datetime postcode_iso3166_alpha2 validateFn"

// The kinds of fields that rules are put on.
var ruledKinds = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[uint8](), reflect.TypeFor[float64](), reflect.TypeFor[bool](), reflect.TypeFor[any](),
	reflect.TypeFor[[]string](), reflect.TypeFor[[]any](), reflect.TypeFor[[][]int](), reflect.TypeFor[[]*int](), reflect.TypeFor[[]byte](), reflect.TypeFor[[]map[string]any](),
	reflect.TypeFor[[]struct {
		A []int `json:"a"`
	}](),
	reflect.TypeFor[map[string]int](), reflect.TypeFor[map[string]any](), reflect.TypeFor[map[string][]int](), reflect.TypeFor[struct {
		A any `json:"a"`
	}](),
	reflect.TypeFor[*string](), reflect.TypeFor[*int](), reflect.TypeFor[**bool](), reflect.TypeFor[*[]int](), reflect.TypeFor[*any](), reflect.TypeFor[*time.Time](), reflect.TypeFor[*struct{}](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[app.Date](), reflect.TypeFor[uuid.UUID](),
	reflect.TypeFor[app.Optional[string]](), reflect.TypeFor[app.Optional[float64]](), reflect.TypeFor[app.Optional[[]any]](), reflect.TypeFor[app.Optional[app.Date]](),
	reflect.TypeFor[app.Optional[any]](), reflect.TypeFor[app.Optional[*int]](), reflect.TypeFor[app.Optional[map[string]any]](),
}

// ruledType is a request with a ruled field, and another that rules such as eqfield refer to.
func ruledType(kind, other reflect.Type, rules string) reflect.Type {
	return reflect.StructOf([]reflect.StructField{
		{Name: "Value", Type: kind, Tag: reflect.StructTag(fmt.Sprintf(`json:"value" binding:%q`, rules))},
		{Name: "Other", Type: other, Tag: `json:"other"`},
	})
}

// ruledBody is a request type that the host takes.
type ruledBody struct {
	rules string
	take  func([]byte) error
}

// ruledBodies are those rules, by themselves and behind others, that the host takes on fields of a kind.
func ruledBodies(kind, other reflect.Type) (bodies []ruledBody) {
	var c bind.Compiler
	befores := []string{""}
	if kind.Kind() == reflect.Slice || kind.Kind() == reflect.Map {
		befores = append(befores, "dive,")
	}
	for name := range strings.FieldsSeq(allRules) {
		for _, parameter := range parametersOf(name) {
			for _, before := range befores {
				rules := before + name + parameter
				if take, problems := bodyOf(&c, ruledType(kind, other, rules)); len(problems) == 0 {
					bodies = append(bodies, ruledBody{rules, take})
				}
			}
		}
	}
	return bodies
}

// Rules of the validator panic on values of kinds that they do not know, which ended in 500. Whatever the rule, the field and
// the value: the host refuses the rule at start, or the caller is told what is wrong.
func TestNoRuleFailsOnAnyValue(t *testing.T) {
	t.Parallel()
	others := []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[*int](), reflect.TypeFor[any](), reflect.TypeFor[[]any](), reflect.TypeFor[app.Optional[int]]()}
	for i, kind := range ruledKinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			other := others[i%len(others)]
			bodies := ruledBodies(kind, other)
			require.Greater(t, len(bodies), 20)
			const stride = 10 // a rule meets every tenth value, with each of its parameters
			rapid.Check(t, func(t *rapid.T) {
				body := []byte(`{"value":` + hostile.JSON(t, kind, 0) + `,"other":` + hostile.JSON(t, other, 0) + `}`)
				if rapid.IntRange(0, 9).Draw(t, "without") == 0 {
					body = []byte(`{}`)
				}
				for i := rapid.IntRange(0, stride-1).Draw(t, "first"); i < len(bodies); i += stride {
					b := bodies[i]
					requireTold(t, b.rules, body, b.take(body))
				}
			})
		})
	}
}

// requireTold holds that err, if any, is one that tells the caller what is wrong with the request.
func requireTold(t *rapid.T, rules string, body []byte, err error) {
	var known *app.Error
	if err == nil || errors.As(err, &known) && known.Code.Status() < 500 {
		return
	}
	t.Fatalf("%s on %s: %v", rules, body, err)
}

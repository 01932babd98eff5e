package agree

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documentURL is what a document is called to the compiler of its schemas.
const documentURL = "https://document.test/openapi.json"

// newCompiler returns what compiles the schemas of a document.
func newCompiler(root map[string]any) (*jsonschema.Compiler, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	for name, check := range formats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: check})
	}
	c.RegisterContentEncoding(&jsonschema.Decoder{Name: "base64", Decode: func(text string) ([]byte, error) {
		if strings.ContainsAny(text, "\r\n") {
			return nil, errors.New("base64 with lines")
		}
		return base64.StdEncoding.DecodeString(text)
	}})
	c.UseRegexpEngine(func(pattern string) (jsonschema.Regexp, error) {
		return regexp.Compile(strings.ReplaceAll(pattern, `\s`, javaScriptSpaces))
	})
	if err := c.AddResource(documentURL, root); err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	return c, nil
}

// javaScriptSpaces are the characters of \s in JavaScript, whose patterns JSON Schema has; in Go it has fewer.
const javaScriptSpaces = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`

// formats are those that a document of ours means to be kept. All others are a hint beside a rule that x-rules lists.
var formats = map[string]func(any) error{
	"int32":  wholeNumber("-2147483648", "2147483647"),
	"int64":  wholeNumber("-9223372036854775808", "9223372036854775807"),
	"uint64": wholeNumber("0", "18446744073709551615"),
	"float":  floatOf(32), "double": floatOf(64),
	"date":      timeOf(time.DateOnly),
	"date-time": timeOf(time.RFC3339),
	"uuid":      uuidText,
	"email":     anyText, "ipv4": anyText, "ipv6": anyText, "hostname": anyText, "uri": anyText,
}

func uuidText(value any) error {
	if text, ok := value.(string); ok && !uuidForm.MatchString(text) {
		return errors.New("not a UUID")
	}
	return nil
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func anyText(any) error { return nil }

// wholeNumber is the format of integers from low to high.
func wholeNumber(low, high string) func(any) error {
	least, _ := new(big.Int).SetString(low, 10)
	most, _ := new(big.Int).SetString(high, 10)
	return func(value any) error {
		number, _ := value.(json.Number)
		n, whole := new(big.Int).SetString(string(number), 10)
		if whole && (n.Cmp(least) < 0 || n.Cmp(most) > 0) {
			return errors.New("beyond the format")
		}
		return nil
	}
}

func floatOf(bits int) func(any) error {
	return func(value any) error {
		if number, ok := value.(json.Number); ok {
			_, err := strconv.ParseFloat(string(number), bits)
			return err
		}
		return nil
	}
}

func timeOf(layout string) func(any) error {
	return func(value any) error {
		text, ok := value.(string)
		if !ok {
			return nil
		}
		_, err := time.Parse(layout, text)
		return err
	}
}

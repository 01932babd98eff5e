package bind_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"plugboard/app"
)

func TestEveryFieldIsFilledFromItsSourceAlone(t *testing.T) {
	t.Parallel()
	type mixed struct {
		ID     int64  `uri:"id"`
		DryRun bool   `form:"dry_run"`
		Key    string `header:"Idempotency-Key" json:"-"`
		Name   string `json:"name"`
	}
	k, got := capture[mixed](t, "POST", "/x/:id")
	w := k.do("POST", "/x/7?dry_run=true&name=query&id=8&Name=q",
		`{"name":"body","id":9,"ID":9,"DryRun":false,"dry_run":false,"Key":"body","Idempotency-Key":"body"}`,
		asJSON, "Idempotency-Key: k1", "name: header")
	require.Equal(t, 200, w.Code, w.Body)
	require.Equal(t, mixed{7, true, "k1", "body"}, *got)

	// The careful path keeps to that too.
	w = k.do("POST", "/x/7", `{"name":"body","ID":9,"DryRun":true,"Key":"body","x":null}`, asJSON)
	require.Equal(t, 200, w.Code, w.Body)
	require.Equal(t, mixed{ID: 7, Name: "body"}, *got)
}

func TestEmbeddedStructsAreFlattened(t *testing.T) {
	t.Parallel()
	type author struct {
		By    string `json:"by" binding:"required"`
		Token string `header:"X-Token"`
	}
	type post struct {
		author
		app.PageQuery
		Title  string `json:"title"`
		hidden int
	}
	k, got := capture[post](t, "POST", "/x")
	w := k.do("POST", "/x?limit=5", `{"by":"ann","title":"t","Token":"body","Limit":99,"hidden":1}`, asJSON, "X-Token: t1")
	require.Equal(t, 200, w.Code, w.Body)
	require.Equal(t, post{author{"ann", "t1"}, app.PageQuery{Limit: 5}, "t", 0}, *got)

	w = k.do("POST", "/x?limit=0", `{"title":"t","x":null}`, asJSON)
	require.Equal(t, `{"success":false,"data":null,"error":"by is required; limit must be at least 1","code":"invalid","details":[`+
		`{"field":"by","rule":"required","message":"is required"},{"field":"limit","rule":"min","message":"must be at least 1"}]}`, w.Body.String())
}

func TestTextBecomesEveryScalar(t *testing.T) {
	t.Parallel()
	type named string
	type scalars struct {
		S    string        `form:"s"`
		N    named         `form:"n"`
		B    bool          `form:"b"`
		I    int16         `form:"i"`
		U    uint8         `form:"u"`
		F    float64       `form:"f"`
		T    time.Time     `form:"t"`
		D    time.Duration `form:"d"`
		P    *int          `form:"p"`
		Q    *string       `form:"q"`
		L    []string      `form:"l"`
		X    []int         `form:"x" default:"3,4"`
		Def  int           `form:"def" default:"20"`
		DefP *bool         `form:"defp" default:"true"`
		None []string      `form:"none" default:""`
		Ints []int         `form:"ints" default:""`
	}
	k, got := capture[scalars](t, "GET", "/x")
	w := k.do("GET", "/x?s=a+b%20c&n=x&b=true&i=-32768&u=255&f=-1.5e2&t=2024-05-06T07:08:09.5Z&d=1m30s&p=0&q=&l=1&l=&l=%C3%A9", "")
	require.Equal(t, 200, w.Code, w.Body)
	zero, empty, yes := 0, "", true
	require.Equal(t, scalars{
		S: "a b c", N: "x", B: true, I: -32768, U: 255, F: -150, T: time.Date(2024, 5, 6, 7, 8, 9, 5e8, time.UTC), D: 90 * time.Second,
		P: &zero, Q: &empty, L: []string{"1", "", "é"}, X: []int{3, 4}, Def: 20, DefP: &yes,
		None: []string{}, Ints: []int{},
	}, *got)
	require.Equal(t, 200, k.do("GET", "/x?x=9&def=1&defp=false", "").Code)
	require.Equal(t, []int{9}, got.X)
	require.Equal(t, 1, got.Def)
	require.False(t, *got.DefP)
}

// A number may be too large for a field that takes anything.
func TestANumberThatNothingHolds(t *testing.T) {
	t.Parallel()
	type body struct {
		X any            `json:"x"`
		Y map[string]any `json:"y"`
	}
	k, got := capture[body](t, "POST", "/x")
	const message = "must not have a number beyond the range of 64-bit floats"
	for sent, field := range map[string]string{`{"x":1e400}`: "x", `{"x":{"a":[-1e999]}}`: "x", `{"y":{"a":1e400}}`: "y.a"} {
		w := k.do("POST", "/x", sent, asJSON)
		require.Equal(t, `{"success":false,"data":null,"error":"`+field+` `+message+`","code":"invalid","details":[{"field":"`+field+
			`","rule":"type","message":"`+message+`"}]}`, w.Body.String())
	}
	require.Equal(t, 200, k.do("POST", "/x", `{"x":1e300}`, asJSON).Code)
	require.InDelta(t, 1e300, got.X, 1e285)
}

func TestPatchTellsOmittedNullAndValueApart(t *testing.T) {
	t.Parallel()
	type inner struct {
		Zip app.Optional[int] `json:"zip"`
	}
	type patch struct {
		Name app.Optional[string]   `json:"name" binding:"min=2"`
		Tags app.Optional[[]string] `json:"tags" binding:"max=2,dive,min=1"`
		Note *string                `json:"note" binding:"min=2"`
		Sub  *inner                 `json:"sub"`
	}
	k, got := capture[patch](t, "PATCH", "/x")
	note := "hi"
	cases := []struct {
		body string
		want patch
		fail string
	}{
		{`{}`, patch{}, ""},
		{`{"name":null}`, patch{Name: app.Optional[string]{Set: true, Null: true}}, ""},
		{`{"name":"ab"}`, patch{Name: app.Optional[string]{Set: true, Value: "ab"}}, ""},
		{`{"name":"ab","tags":null}`, patch{Name: app.Optional[string]{Set: true, Value: "ab"}, Tags: app.Optional[[]string]{Set: true, Null: true}}, ""},
		{`{"tags":["a"],"note":"hi"}`, patch{Tags: app.Optional[[]string]{Set: true, Value: []string{"a"}}, Note: &note}, ""},
		{`{"sub":{"zip":null}}`, patch{Sub: &inner{app.Optional[int]{Set: true, Null: true}}}, ""},
		{`{"name":"a"}`, patch{}, "name must have at least 2 characters"},
		{`{"name":""}`, patch{}, "name must have at least 2 characters"},
		{`{"name":7}`, patch{}, "name must be a string"},
		{`{"note":null}`, patch{}, "note must not be null"},
		{`{"note":""}`, patch{}, "note must have at least 2 characters"},
		{`{"sub":null}`, patch{}, "sub must not be null"},
		{`{"sub":{"zip":"x"}}`, patch{}, "sub.zip must be a whole number of at most 64 bits"},
		{`{"tags":["a","b","c"]}`, patch{}, "tags must have at most 2 items"},
		{`{"tags":[null]}`, patch{}, "tags.0 must not be null"},
	}
	for _, c := range cases {
		*got = patch{}
		w := k.do("PATCH", "/x", c.body, "Content-Type: application/merge-patch+json")
		if c.fail == "" {
			require.Equal(t, 200, w.Code, c.body+w.Body.String())
			require.Equal(t, c.want, *got, c.body)
			continue
		}
		require.Equal(t, 422, w.Code, c.body)
		require.Contains(t, w.Body.String(), `"error":"`+c.fail+`"`, c.body)
	}
}

func TestOutsidePatchNullPointersAreNotGiven(t *testing.T) {
	t.Parallel()
	type body struct {
		Note *string        `json:"note" binding:"min=2"`
		Need *string        `json:"need" binding:"required"`
		Any  any            `json:"any"`
		Map  map[string]any `json:"map"`
	}
	k, got := capture[body](t, "POST", "/x")
	require.Equal(t, 200, k.do("POST", "/x", `{"note":null,"need":"","any":null,"map":{"a":null}}`, asJSON).Code)
	require.Nil(t, got.Note)
	require.Equal(t, map[string]any{"a": nil}, got.Map)
	w := k.do("POST", "/x", `{"need":null,"map":null}`, asJSON)
	require.Equal(t, `{"success":false,"data":null,"error":"map must not be null; need is required","code":"invalid","details":[`+
		`{"field":"map","rule":"null","message":"must not be null"},{"field":"need","rule":"required","message":"is required"}]}`, w.Body.String())
}

// A body decoded on the fast path and the same body sent down the careful path (by an unknown member that is
// null) give the same request.
func TestBothPathsAgree(t *testing.T) {
	t.Parallel()
	type leaf struct {
		T time.Time `json:"t"`
		B []byte    `json:"b"`
	}
	type tree struct {
		S string               `json:"s"`
		I int8                 `json:"i"`
		U uint64               `json:"u"`
		F float32              `json:"f"`
		B bool                 `json:"b"`
		L []leaf               `json:"l"`
		M map[string]*leaf     `json:"m"`
		O app.Optional[[]int]  `json:"o"`
		A any                  `json:"a"`
		P **int                `json:"p"`
		R json.RawMessage      `json:"r"`
		E app.Optional[leaf]   `json:"e"`
		D int                  `json:"d" default:"5"`
		K map[string][]float64 `json:"k"`
	}
	k, got := capture[tree](t, "POST", "/x")
	for _, body := range []string{
		`{}`, `{"s":"é\n\ud83d\ude00","i":-128,"u":18446744073709551615,"f":1.5e3,"b":true}`,
		`{"l":[{"t":"2024-01-02T03:04:05Z","b":"aGk="},{}],"m":{"":{},"x":{"b":""}}}`,
		`{"o":[1,2],"a":{"x":[1,"2",false]},"p":3,"r":{"a": [1]},"e":{"b":"aGk="},"k":{"a":[],"b":[1]}}`,
		`{"i":128}`, `{"i":1.0}`, `{"u":-1}`, `{"f":1e39}`, `{"l":[{"t":"x"}]}`, `{"l":[{"b":"%"}]}`, `{"d":"5"}`, `{"b":1}`, `{"s":["a"]}`,
		`{"m":[]}`, `{"o":{}}`, `{"p":"x"}`, `{"e":[]}`, `{"k":{"a":[true]}}`, `{"d":0}`, `{"l":{}}`, `{"i":1e2}`, `{"i":-0}`,
	} {
		*got = tree{}
		fast := k.do("POST", "/x", body, asJSON)
		first := *got
		*got = tree{}
		careful := k.do("POST", "/x", strings.TrimSuffix(strings.Replace(body, "{", `{"_":null,`, 1), ",}")+map[bool]string{true: "}"}[body == "{}"], asJSON)
		require.Equal(t, fast.Code, careful.Code, body)
		require.Equal(t, fast.Body.String(), careful.Body.String(), body)
		require.Equal(t, first, *got, body)
	}
}

type booking struct {
	From int `json:"from" binding:"required,min=1"`
	To   int `json:"to"`
}

// Validate implements app.Validator.
func (b booking) Validate() error {
	switch {
	case b.To == 13:
		return errors.New("unlucky")
	case b.To == 14:
		return app.Errorf(app.Conflict, "taken")
	case b.To < b.From:
		return app.Violations{{Field: "to", Rule: "after", Message: "must not be before from"}}
	}
	return nil
}

func TestOwnValidateRunsOnceTheRulesHold(t *testing.T) {
	t.Parallel()
	k, _ := capture[booking](t, "POST", "/x")
	for body, want := range map[string]string{
		`{"from":0,"to":-1}`: `"error":"from must be at least 1"`,
		`{"from":2,"to":1}`:  `"error":"to must not be before from","code":"invalid","details":[{"field":"to","rule":"after","message":"must not be before from"}]`,
		`{"from":2,"to":13}`: `"error":"internal error","code":"internal"`,
		`{"from":2,"to":14}`: `"error":"taken","code":"conflict"`,
		`{"from":2,"to":3}`:  `{"success":true,"data":{},"error":null}`,
	} {
		require.Contains(t, k.do("POST", "/x", body, asJSON).Body.String(), want, body)
	}
}

func TestRulesAreWordedWithoutGoNames(t *testing.T) {
	t.Parallel()
	type body struct {
		Mail     string            `json:"mail" binding:"required,email"`
		Kind     string            `json:"kind" binding:"required,oneof=a b"`
		Code     string            `json:"code" binding:"required,len=3"`
		ID       string            `json:"id" binding:"required,uuid4"`
		Site     string            `json:"site" binding:"required,url"`
		Names    []string          `json:"names" binding:"required,min=1,unique,dive,lowercase"`
		Labels   map[string]string `json:"labels" binding:"dive,keys,min=2,endkeys,max=1"`
		Password string            `json:"password"`
		Repeat   string            `json:"repeat" binding:"eqfield=Password"`
		When     time.Time         `json:"when" binding:"required,gt"`
		Prefix   string            `json:"prefix" binding:"required,startswith=p-"`
		Odd      int               `json:"odd" binding:"lt=10,ne=4"`
		Needs    string            `json:"needs" binding:"required_with=Kind"`
		Card     string            `json:"card" binding:"fieldcontains=Kind"`
	}
	k, _ := capture[body](t, "POST", "/x")
	w := k.do("POST", "/x", `{"mail":"x","kind":"c","code":"ab","id":"1","site":"::","names":["A"],"labels":{"k":"vv"},"password":"a","repeat":"b",
		"when":"2001-01-01T00:00:00Z","prefix":"x","odd":4}`, asJSON)
	require.Equal(t, 422, w.Code)
	var answer struct {
		Details []app.Violation `json:"details"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	require.Equal(t, []app.Violation{
		{Field: "mail", Rule: "email", Message: "must be an email address"},
		{Field: "kind", Rule: "oneof", Message: "must be one of a, b"},
		{Field: "code", Rule: "len", Message: "must have exactly 3 characters"},
		{Field: "id", Rule: "uuid4", Message: "must be a UUID"},
		{Field: "site", Rule: "url", Message: "must be a URL"},
		{Field: "names.0", Rule: "lowercase", Message: "must be in lower case"},
		{Field: "labels.k", Rule: "min", Message: "must have at least 2 characters"},
		{Field: "labels.k", Rule: "max", Message: "must have at most 1 character"},
		{Field: "repeat", Rule: "eqfield", Message: "must equal password"},
		{Field: "when", Rule: "gt", Message: "must be after now"},
		{Field: "prefix", Rule: "startswith", Message: "must start with p-"},
		{Field: "odd", Rule: "ne", Message: "must not be 4"},
		{Field: "needs", Rule: "required_with", Message: "is required"},
		{Field: "card", Rule: "fieldcontains", Message: "must contain kind"},
	}, answer.Details)
}

func TestDetailsAreBounded(t *testing.T) {
	t.Parallel()
	type body struct {
		N []int `json:"n"`
	}
	k, _ := capture[body](t, "POST", "/x")
	w := k.do("POST", "/x", `{"n":[`+strings.Repeat(`"x",`, 1000)+`1]}`, asJSON)
	require.Equal(t, 422, w.Code)
	require.Equal(t, 100, strings.Count(w.Body.String(), `"field"`))
	require.Contains(t, w.Body.String(), "; and more")
}

// A browser sends an empty file without a name for a field in which no file was chosen.
func TestAFileThatWasNotChosen(t *testing.T) {
	t.Parallel()
	type upload struct {
		Image *app.File   `form:"image"`
		Docs  []*app.File `form:"docs"`
	}
	type mustUpload struct {
		Title string    `form:"title"`
		Image *app.File `form:"image" binding:"required"`
	}
	notChosen := func(field string) string {
		return "Content-Disposition: form-data; name=\"" + field + "\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n"
	}
	k, got := capture[upload](t, "PUT", "/x")
	require.Equal(t, 200, k.do("PUT", "/x", multipartBody(notChosen("image"), notChosen("docs")), asMultipart).Code)
	require.Nil(t, got.Image)
	require.Empty(t, got.Docs)
	w := k.do("PUT", "/x", multipartBody(notChosen("image")+"content"), asMultipart)
	require.Contains(t, w.Body.String(), `"error":"image must be a file"`)

	required, _ := capture[mustUpload](t, "PUT", "/x")
	w = required.do("PUT", "/x", multipartBody(titlePart, notChosen("image")), asMultipart)
	require.Contains(t, w.Body.String(), `"error":"image is required"`)
}

// What names a folder is no name of a file.
func TestFileNamesAreWithoutFolders(t *testing.T) {
	t.Parallel()
	type upload struct {
		Image *app.File `form:"image"`
	}
	k, got := capture[upload](t, "PUT", "/x")
	for _, name := range []string{"..", ".", "/", "a/..", `C:\\..`, `a\\`} {
		w := k.do("PUT", "/x", multipartBody(filePart("image", name, "x")), asMultipart)
		require.Equal(t, `{"success":false,"data":null,"error":"image must have a file name","code":"invalid",`+
			`"details":[{"field":"image","rule":"type","message":"must have a file name"}]}`, w.Body.String(), name)
	}
	for _, name := range []string{"b.png", "/a/b.png", "../b.png", "a/b.png/", `C:\\a\\b.png`} {
		w := k.do("PUT", "/x", multipartBody(filePart("image", name, "x")), asMultipart)
		require.Equal(t, 200, w.Code, w.Body)
		require.Equal(t, "b.png", got.Image.Name, name)
	}
}

func TestUploads(t *testing.T) {
	t.Parallel()
	type upload struct {
		Title  string      `form:"title"`
		Image  *app.File   `form:"image"`
		Others []*app.File `form:"others"`
	}
	k, got := capture[upload](t, "PUT", "/x")
	other := "Content-Disposition: form-data; name=\"others\"; filename=\"C:\\\\dir\\\\b.txt\"\r\n\r\nB"
	w := k.do("PUT", "/x", multipartBody(titlePart, imagePart, other, other), asMultipart)
	require.Equal(t, 200, w.Code, w.Body)
	require.Equal(t, "hello", got.Title)
	require.Equal(t, &app.File{Name: "a.png", ContentType: "image/png", Content: []byte("PNG")}, got.Image)
	require.Len(t, got.Others, 2)
	require.NotContains(t, got.Others[0].Name, `\`)

	many := make([]string, 257)
	for i := range many {
		many[i] = titlePart
	}
	w = k.do("PUT", "/x", multipartBody(many...), asMultipart)
	require.Equal(t, `{"success":false,"data":null,"error":"the form has more than 256 parts","code":"malformed"}`, w.Body.String())
	w = k.do("PUT", "/x", multipartBody("Content-Disposition: form-data; name=\"image\"; filename=\"a\x00b\"\r\n\r\nB"), asMultipart)
	require.Equal(t, 400, w.Code, w.Body)
}

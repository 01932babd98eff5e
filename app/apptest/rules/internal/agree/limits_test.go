package agree

import (
	"context"
	"net/http"
	"testing"
	"time"

	"plugboard/app"
	"plugboard/infra/httpserver/testdata/oddshapes"
)

// limits has rules of all sorts on all sorts of types, within itself as well.
type limits struct {
	Text     string         `json:"text" binding:"omitempty,min=2,max=5"`
	Code     *string        `json:"code" binding:"omitempty,len=3,alphanum"`
	Must     string         `json:"must" binding:"required,startswith=a.,endswith=z"`
	Hex      string         `json:"hex" binding:"omitempty,hexadecimal,max=8"`
	Phone    string         `json:"phone" binding:"omitempty,e164"`
	Digits   string         `json:"digits" binding:"omitempty,number,min=2"`
	Numeric  string         `json:"numeric" binding:"omitempty,numeric"`
	Color    string         `json:"color" binding:"omitempty,hexcolor"`
	Printed  string         `json:"printed" binding:"printascii,contains=x,excludes=y" default:"x"`
	Title    string         `json:"title" binding:"omitempty,notblank,lowercase"`
	Mail     string         `json:"mail" binding:"omitempty,email,max=40"`
	Link     *string        `json:"link" binding:"omitempty,url"`
	Key      string         `json:"key" binding:"omitempty,uuid4"`
	Address  string         `json:"address" binding:"omitempty,ip|hostname"`
	Day      string         `json:"day" binding:"omitempty,datetime=2006-01-02"`
	Not      string         `json:"not" binding:"omitempty,ne=a,ne=b"`
	Small    int8           `json:"small" binding:"omitempty,gt=-3,lt=9"`
	Whole    int64          `json:"whole" binding:"required,gte=-9007199254740993,lte=9007199254740993"`
	Unsigned uint64         `json:"unsigned" binding:"omitempty,min=2,max=18446744073709551614"`
	Short    uint16         `json:"short" binding:"omitempty,ne=7"`
	Float    float32        `json:"float" binding:"omitempty,gte=0.1,lt=2.7"`
	Double   *float64       `json:"double" binding:"omitempty,gt=0.1,lte=1e3"`
	Either   int32          `json:"either" binding:"oneof=-1 0 7"`
	List     []int          `json:"list" binding:"omitempty,min=1,max=3,unique"`
	Words    []*string      `json:"words" binding:"required,len=2,dive,required,min=1"`
	Map      map[string]int `json:"map" binding:"omitempty,min=1,max=2,dive,keys,min=2,endkeys,gte=0"`
	Inner    *limitsWithin  `json:"inner" binding:"required_with=Key"`
	Others   []limitsWithin `json:"others" binding:"max=2,dive"`
}

// limitsWithin has rules that no schema says, at any depth.
type limitsWithin struct {
	From   int            `json:"from"`
	To     int            `json:"to" binding:"gtefield=From"`
	Within []limitsWithin `json:"within" binding:"dive"`
}

// limitsAsked has rules on values that are texts.
type limitsAsked struct {
	ID     uint8      `uri:"id" binding:"min=1,max=9"`
	Small  int16      `form:"small" binding:"omitempty,gt=-3,lt=9"`
	Float  float32    `form:"float" default:"0.5" binding:"gte=0.1,lt=2.7"`
	Text   string     `form:"text" binding:"required,max=3"`
	Choice *string    `form:"choice" binding:"omitempty,oneof=a 'b c'"`
	List   []float64  `form:"list" binding:"omitempty,min=2,max=3,dive,gt=0,lte=1"`
	Sure   bool       `form:"sure" binding:"required"`
	Since  *time.Time `form:"since" binding:"omitempty"`
	Count  *uint32    `header:"X-Count" binding:"required,gte=1"`
	Days   []app.Date `header:"X-Days" binding:"omitempty,len=2"`
	Theme  string     `cookie:"theme" binding:"omitempty,oneof=dark light"`
}

type limitsPlugin struct{}

// OnBoot registers the endpoints.
func (*limitsPlugin) OnBoot(b *app.Boot) {
	b.POST("/limits", app.Handle(func(_ context.Context, req limits) (limits, error) { return req, nil }), app.Strict())
	b.GET("/limits/:id", app.Handle(func(_ context.Context, req limitsAsked) (limitsSeen, error) { return limitsSeen{req.ID}, nil }))
}

type limitsSeen struct {
	ID uint8 `json:"id"`
}

// Rules of all sorts agree with what the document says of them.
func TestDescriptionAndServiceAgreeOnLimits(t *testing.T) {
	t.Parallel()
	checked := application{"limits", app.Domain("limits", app.Plugin[*limitsPlugin]("limits.check", func() *limitsPlugin { return &limitsPlugin{} }))}
	doc := checked.document(t, nil)
	samples := map[string][]request{}
	for _, x := range []oddshapes.Exchange{
		{Target: "/limits", Headers: []string{"Content-Type: application/json"}, Body: `{"text":"two","code":"a1B","must":"a.z","hex":"0xF","phone":"+4930123456",
			"digits":"12","numeric":"-1.5","color":"#abc","printed":"x","title":"low","mail":"a@example.com","link":"https://a.b/c","key":"6ba7b810-9dad-41d1-80b4-00c04fd430c8",
			"address":"::1","day":"2024-02-29","not":"c","small":3,"whole":9007199254740993,"unsigned":2,"short":1,"float":0.5,"double":1,"either":-1,"list":[1,2],
			"words":["a","b"],"map":{"ab":0},"inner":{"from":1,"to":2,"within":[]},"others":[{"from":1,"to":1,"within":[{"from":1,"to":1,"within":[]}]}]}`},
		{Target: "/limits/9?text=a&sure=false&small=3&choice=b+c&list=1&list=0.5&since=2026-01-31T10:00:00Z", Headers: []string{
			"X-Count: 1", "X-Days: 2026-01-31, 2026-02-01", "Cookie: theme=dark",
		}},
	} {
		method, path := http.MethodGet, "/limits/{id}"
		if x.Body != "" {
			method, path = http.MethodPost, x.Target
		}
		o := doc.operation(t, method, path)
		samples[o.id] = append(samples[o.id], o.sample(t, x))
	}
	doc.hold(t, checked.start, untaken(), samples)
}

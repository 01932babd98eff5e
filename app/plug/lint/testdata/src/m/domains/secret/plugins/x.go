package plugins

import (
	"context"
	"time"

	"m/app"
	_ "m/domains/secret/models"
)

// Request may ask for anything: it does not leave the service.
type Request struct {
	Password string `json:"password"`
}

type Data struct {
	ID           int64
	PasswordHash string     `json:"password_hash"` // want `the answer has the field PasswordHash, named like a secret; remove it`
	Hash         string     `json:"pwd"`           // want `the answer has the field Hash, named like a secret`
	APIKey       *string    `json:"key"`           // want `the field APIKey, named like a secret`
	Salt         []byte     // want `the field Salt`
	OTP          int        `json:"otp"`           // want `the field OTP`
	Session      string     `json:"session"`       // want `the field Session`
	IBAN         string     `json:"account"`       // want `the answer has the field IBAN, named like a column that is marked secret:"true"; remove it`
	When         time.Time  `json:"born_on"`       // want `the field When, named like a column`
	Token        string     `json:"token"`         //plug:allow secrets the caller signs in and gets it
	Refresh      string     `json:"refresh-token"` // want `the field Refresh`
	Nested       []Inner    `json:"nested"`
	NextToken    string     `json:"next_token"`
	HasPassword  bool       `json:"has_password"`
	ChangedAt    *time.Time `json:"password_changed_at"`
	TokenCount   int        `json:"token_count"`
	Tokens       int        `json:"tokens"`
	SecretName   string     `json:"secret_name"`
	Pinned       string     `json:"pinned"`
	ContentHash  string     `json:"content_hash"`
	Compass      string     `json:"compass"`
	Hidden       string     `json:"-"`
	Passwords    string     `json:"-"`
	secret       string
}

type Inner struct {
	PrivateKey string `json:"private_key"` // want `the answer has the field PrivateKey`
}

type Happened struct {
	ResetToken string `json:"reset_token"` // want `the event has the field ResetToken, named like a secret`
}

func (Happened) Topic() string { return "it.happened" }

type Query struct{}

func (Query) Topic() string { return "who.query" }

type Known struct {
	Credential map[string]string `json:"credential"` // want `the answer has the field Credential`
}

type Sent struct {
	Secret string `json:"secret"` // want `the answer has the field Secret`
}

type XPlugin struct{}

func (p *XPlugin) OnBoot(b *app.Boot) {
	b.POST("/a", app.Handle(p.Execute))
	b.Publishes(Happened{})
	b.Answer(app.Reply(p.reply))
	b.Raw("GET", "/b", nil, app.Answers[Sent]())
}

func (p *XPlugin) Execute(context.Context, Request) (r app.Page[Data], err error) { return }

func (p *XPlugin) reply(context.Context, Query) (r Known, err error) { return }

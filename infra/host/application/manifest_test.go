package application_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"plugboard/app"
)

type (
	toldAddress struct {
		City string `json:"city"`
	}
	toldItem struct {
		Count uint8 `json:"count"`
	}
	toldSale struct {
		toldAddress

		ID    int64             `json:"id"             example:"7"`
		Shop  string            `json:"shop"`
		At    time.Time         `json:"at"`
		Note  *string           `json:"note,omitempty"`
		Items []toldItem        `json:"items"`
		Tags  map[string]string `json:"tags"`
		Raw   []byte            `json:"raw"`
		Plain int32
	}
	toldLoose struct {
		Items []toldItem `json:"items"`
	}
	toldHeard struct {
		ID int64 `json:"id"`
	}
	toldDead struct {
		EventID string `json:"event_id"`
	}
	toldQuery struct {
		ID int64 `json:"id"`
	}
	toldAnswer struct {
		Price float64 `json:"price"`
	}
	toldEntity struct {
		ID   int64  `gorm:"primaryKey"`
		Name string `gorm:"not null;uniqueIndex:told_name"`
		Note *string
	}
)

func (toldSale) Topic() string  { return "sale.made" }
func (e toldSale) Key() string  { return e.Shop + strconv.FormatInt(e.ID, 10) }
func (toldLoose) Topic() string { return "sale.counted" }

// Key cannot be made of an empty event.
func (e toldLoose) Key() string { return strconv.Itoa(int(e.Items[0].Count)) }
func (toldHeard) Topic() string { return "sale.made" }
func (toldDead) Topic() string  { return "_dlq.sale.made" }
func (toldQuery) Topic() string { return "price.of" }

func toldModules() fx.Option {
	heard := func(context.Context, toldHeard) error { return nil }
	return fx.Options(infra(), app.Domain("shop",
		app.Models(toldEntity{}),
		boots("shop.sell", func(b *app.Boot) { b.Publishes(toldSale{}, toldLoose{}) }),
		boots("shop.price", func(b *app.Boot) {
			b.Answer(app.Reply(func(context.Context, toldQuery) (toldAnswer, error) { return toldAnswer{}, nil }))
		}),
		boots("shop.listen", func(b *app.Boot) {
			b.Subscribe(app.On(heard), app.Attempts(2), app.Concurrency(1), app.Backoff(time.Minute, time.Hour), app.Block(), app.Formerly("old"))
			b.Subscribe(app.OnTx(heard), app.Named("tx"))
			b.Subscribe(app.On(heard), app.Named("volatile"), app.Volatile(), app.Timeout(time.Second))
			b.Subscribe(app.On(func(context.Context, toldDead) error { return nil }))
		}),
	))
}

type toldEvents struct {
	Events struct {
		Publications  []map[string]any `json:"publications"`
		Subscriptions []map[string]any `json:"subscriptions"`
		Answers       []map[string]any `json:"answers"`
		DeadLetter    map[string]any   `json:"dead_letter"`
	} `json:"events"`
}

// "describe" tells every publication, subscription and answer, as they take effect.
func TestDescribeTellsTheEvents(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	environ := []string{"APP_DATABASE_URL=sqlite:" + filepath.Join(folder, "never.db")}
	code, stdout, stderr := run(t, toldModules(), environ, "describe")
	require.Zero(t, code, stderr)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left, "it opens no database")
	var d toldEvents
	require.NoError(t, json.Unmarshal([]byte(stdout), &d))

	require.Len(t, d.Events.Publications, 2)
	sale := d.Events.Publications[0]
	require.Equal(t, []any{"id", "shop"}, sale["key_fields"])
	schema, err := json.Marshal(sale["payload"].(map[string]any)["schema"])
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"object","required":["city","id","shop","at","items","tags","raw","Plain"],"properties":{
		"city":{"type":"string"},"id":{"type":"integer","format":"int64","examples":[7]},"shop":{"type":"string"},
		"at":{"type":"string","format":"date-time"},"note":{"type":"string"},"raw":{"type":"string","contentEncoding":"base64"},"Plain":{"type":"integer","format":"int32"},
		"items":{"type":"array","items":{"type":"object","required":["count"],"properties":{
			"count":{"type":"integer","format":"int32","minimum":0,"maximum":255}}}},
		"tags":{"type":"object","additionalProperties":{"type":"string"}}}}`, undeclared(string(schema)))
	require.Equal(t, true, d.Events.Publications[1]["ordered"])
	require.NotContains(t, d.Events.Publications[1], "key_fields")

	require.Len(t, d.Events.Answers, 1)
	require.Equal(t, "toldAnswer", d.Events.Answers[0]["answer"].(map[string]any)["struct"])
	require.Equal(t, "DeadLetter", d.Events.DeadLetter["struct"])
	checkToldSubscriptions(t, d.Events.Subscriptions)
}

func checkToldSubscriptions(t *testing.T, all []map[string]any) {
	t.Helper()
	require.Len(t, all, 4)
	for i, want := range []map[string]any{
		{
			"name": "shop.listen/sale.made", "durable": true, "transaction": false, "block": true, "formerly": []any{"old"}, "concurrency": 1.0,
			"attempts": 2.0, "backoff_min": "1m0s", "backoff_max": "1h0m0s", "timeout": "30s",
		},
		{"name": "tx", "durable": true, "transaction": true, "attempts": 12.0, "concurrency": 4.0, "timeout": "30s", "timeout_sqlite": "1s"},
		{"name": "volatile", "durable": false, "timeout": "1s"},
		{"name": "shop.listen/_dlq.sale.made", "topic": "_dlq.sale.made", "plugin": "shop.listen"},
	} {
		for key, value := range want {
			require.Equal(t, value, all[i][key], key)
		}
	}
}

// "describe" tells domains, plugins, tables, settings and commands.
func TestDescribeTellsTheRest(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, toldModules(), inTemp(t), "describe")
	require.Zero(t, code, stderr)
	var d struct {
		Domains []struct {
			Name    string `json:"name"`
			Plugins []struct {
				Name string `json:"name"`
			} `json:"plugins"`
			Tables []map[string]any `json:"tables"`
		} `json:"domains"`
		Settings []map[string]any    `json:"settings"`
		Commands []map[string]string `json:"commands"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &d))
	require.Len(t, d.Domains, 1)
	require.Equal(t, "shop", d.Domains[0].Name)
	require.Len(t, d.Domains[0].Plugins, 3)
	require.Equal(t, []map[string]any{{
		"name": "told_entities", "package": "plugboard/infra/host/application_test", "struct": "toldEntity", "uniques": []any{"name"},
		"columns": []any{
			map[string]any{"name": "id", "field": "ID", "type": "int64", "key": true},
			map[string]any{"name": "name", "field": "Name", "type": "string"},
			map[string]any{"name": "note", "field": "Note", "type": "*string", "null": true},
		},
	}}, d.Domains[0].Tables)
	require.Contains(t, d.Settings, map[string]any{
		"key": "http.addr", "env": "APP_HTTP_ADDR", "default": "127.0.0.1:8080", "wanted": "an address to listen on, host:port",
	})
	require.Contains(t, d.Commands, map[string]string{"use": "plugboard migrate", "short": "Run the database migrations"})
	require.NotContains(t, stdout, "plugboard help")

	code, again, _ := run(t, toldModules(), inTemp(t), "describe")
	require.Zero(t, code)
	require.Equal(t, stdout, again)
}

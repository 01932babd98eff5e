package app_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"plugboard/app"
	"plugboard/app/apptest"
)

// goods is a domain with one list that is ordered by columns of different types, several of them with equal values.
var goods = app.Domain("goods",
	app.Migrations(fstest.MapFS{
		"sqlite/00001_goods.sql": {Data: []byte(`-- +goose Up
CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL NOT NULL, made_at DATETIME NOT NULL, note TEXT);
-- +goose Down
DROP TABLE goods;`)},
		"postgres/00001_goods.sql": {Data: []byte(`-- +goose Up
CREATE TABLE goods (id BIGINT PRIMARY KEY, name TEXT NOT NULL, price DOUBLE PRECISION NOT NULL, made_at TIMESTAMPTZ NOT NULL, note TEXT);
-- +goose Down
DROP TABLE goods;`)},
	}),
	listGoods)

type Good struct {
	ID     int64     `json:"id"`
	Name   string    `json:"name"`
	Price  float64   `json:"price"`
	MadeAt time.Time `json:"-"`
	Note   *string   `json:"-"`
}

type ListGoodsRequest struct {
	app.PageQuery
	Q     string  `form:"q" binding:"omitempty,min=2,max=100"`
	Above float64 `form:"above"`
	Sort  string  `form:"sort" binding:"omitempty,oneof=id -id name -name price -price made_at -made_at note color"`
}

var listGoods = app.Plugin[*ListGoodsPlugin]("goods.list_goods", NewListGoodsPlugin)

type ListGoodsPlugin struct{ db *gorm.DB }

func NewListGoodsPlugin(db *gorm.DB) *ListGoodsPlugin { return &ListGoodsPlugin{db} }

func (p *ListGoodsPlugin) OnBoot(b *app.Boot) { b.GET("/goods", app.Handle(p.Execute)) }

func (p *ListGoodsPlugin) Execute(ctx context.Context, req ListGoodsRequest) (app.Page[Good], error) {
	query := p.db.WithContext(ctx).Table("goods").Where("price > ?", req.Above)
	if req.Q != "" {
		query = query.Where(app.Contains("name", req.Q))
	}
	return app.FindPage[Good](query, req.PageQuery, req.Sort)
}

// newGoods boots the domain, and returns its table as well.
func newGoods(t *testing.T, parts ...fx.Option) (*apptest.App, *gorm.DB) {
	t.Helper()
	var db *gorm.DB
	h := apptest.New(t, append(parts, goods, fx.Populate(&db))...)
	return h, db.WithContext(t.Context()).Table("goods")
}

func storeGoods(t require.TestingT, table *gorm.DB, goods ...Good) {
	require.NoError(t, table.Session(&gorm.Session{}).CreateInBatches(goods, 100).Error)
}

// someGoods returns n goods with ids from 1, whose other values repeat.
func someGoods(n int) []Good {
	list := make([]Good, n)
	for i := range list {
		list[i] = Good{
			ID: int64(i + 1), Name: fmt.Sprintf("good %c", 'a'+i*7%5), Price: float64(i*13%7) + 0.1,
			MadeAt: time.Date(2026, 1, 1+i%3, 0, 0, 0, i%2*1000, time.UTC),
		}
	}
	return list
}

func TestFollowingCursorsSeesEveryRowOnce(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h, table := newGoods(t, db)
		storeGoods(t, table, someGoods(43)...)
		for _, sort := range []string{"", "&sort=id", "&sort=-id", "&sort=name", "&sort=-name", "&sort=price", "&sort=-price", "&sort=made_at", "&sort=-made_at"} {
			var ids []int64
			path := "/goods?limit=5&above=1" + sort
			for at := path; at != ""; {
				page := apptest.Data[app.Page[Good]](h.GET(at).Status(http.StatusOK))
				require.LessOrEqual(t, len(page.Items), 5)
				for _, item := range page.Items {
					ids = append(ids, item.ID)
				}
				at = ""
				if page.Next != nil {
					at = path + "&cursor=" + *page.Next
				}
			}
			all := apptest.Data[app.Page[Good]](h.GET("/goods?limit=100&above=1" + sort).Status(http.StatusOK))
			require.Nil(t, all.Next)
			want := make([]int64, len(all.Items))
			for i, item := range all.Items {
				want[i] = item.ID
			}
			require.Equal(t, want, ids, "order %q", sort)
			require.Len(t, ids, 36, "order %q", sort)
		}
	})
}

// While a client follows cursors, others store and delete rows: what stays is seen once, wherever it stands.
func TestRowsThatStayAreSeenOnceWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h, table := newGoods(t, db)
		rapid.Check(t, func(r *rapid.T) {
			require.NoError(r, table.Session(&gorm.Session{}).Where("1 = 1").Delete(nil).Error)
			list := someGoods(40)
			storeGoods(t, table, list...)
			stays := map[int64]bool{}
			for _, g := range list {
				stays[g.ID] = true
			}
			seen, next := map[int64]int{}, int64(1000)
			path := "/goods?limit=7&sort=" + rapid.SampledFrom([]string{"id", "-id", "name", "-name", "price", "-price", "made_at"}).Draw(r, "sort")
			for at := path; at != ""; {
				page := apptest.Data[app.Page[Good]](h.GET(at).Status(http.StatusOK))
				for _, item := range page.Items {
					seen[item.ID]++
				}
				for range rapid.IntRange(0, 3).Draw(r, "changes") {
					if id := rapid.Int64Range(1, 40).Draw(r, "id"); rapid.Bool().Draw(r, "delete") {
						require.NoError(r, table.Session(&gorm.Session{}).Where("id = ?", id).Delete(nil).Error)
						delete(stays, id)
					} else {
						g := list[id-1]
						g.ID, next = next, next+1
						storeGoods(t, table, g)
					}
				}
				at = ""
				if page.Next != nil {
					at = path + "&cursor=" + *page.Next
				}
			}
			for id, n := range seen {
				require.Equal(r, 1, n, "row %d", id)
			}
			for id := range stays {
				require.Equal(r, 1, seen[id], "row %d", id)
			}
		})
	})
}

func TestForeignAndChangedCursorsAreRefused(t *testing.T) {
	t.Parallel()
	h, table := newGoods(t)
	storeGoods(t, table, someGoods(10)...)
	next := *apptest.Data[app.Page[Good]](h.GET("/goods?limit=2&sort=price&above=0").Status(http.StatusOK)).Next
	h.GET("/goods?limit=3&sort=price&above=0&total=true&cursor=" + next).Status(http.StatusOK)

	raw, err := base64.RawURLEncoding.DecodeString(next)
	require.NoError(t, err)
	for i := range raw {
		changed := slices.Clone(raw)
		changed[i] ^= 1
		refused(t, h, "/goods?sort=price&above=0&cursor="+base64.RawURLEncoding.EncodeToString(changed))
	}
	for _, cursor := range []string{"x", "%20", "null", next[:len(next)-1], next + "A", next + "==", url.QueryEscape(base64.StdEncoding.EncodeToString(raw[:9]))} {
		refused(t, h, "/goods?sort=price&above=0&cursor="+cursor)
	}
	for _, other := range []string{"sort=-price&above=0", "sort=name&above=0", "above=0", "sort=price&above=1", "sort=price&above=0&q=good"} {
		refused(t, h, "/goods?"+other+"&cursor="+next)
	}
	h.GET("/goods?offset=1&sort=price&above=0&cursor="+next).Fails(app.Invalid, "offset must not be given with cursor")
	h.GET("/goods?cursor="+strings.Repeat("0", 4097)).Fails(app.Invalid, "cursor must have at most 4096 characters")
}

func refused(t *testing.T, h *apptest.App, path string) {
	t.Helper()
	h.GET(path).Fails(app.Invalid, "cursor is not a cursor of this list; leave it out to begin again")
}

func TestTotalIsCountedWhenAskedForAndBounded(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h, table := newGoods(t, db)
		storeGoods(t, table, someGoods(30)...)
		h.GET("/goods?limit=1&total=false").JSON(`{"success":true,"data":{"items":[{"id":1,"name":"good a","price":0.1}],"next":` +
			quoted(*apptest.Data[app.Page[Good]](h.GET("/goods?limit=1")).Next) + `},"error":null}`)
		h.GET("/goods?q=zzz&total=true").JSON(`{"success":true,"data":{"items":[],"next":null,"total":0},"error":null}`)
		require.EqualValues(t, 30, *apptest.Data[app.Page[Good]](h.GET("/goods?limit=1&total=true")).Total)
		require.EqualValues(t, 6, *apptest.Data[app.Page[Good]](h.GET("/goods?limit=1&total=true&q=D%20c")).Total)
		more := someGoods(app.MaxTotal + 5)
		storeGoods(t, table, more[30:]...)
		require.EqualValues(t, app.MaxTotal, *apptest.Data[app.Page[Good]](h.GET("/goods?limit=1&total=true")).Total)
		h.GET("/goods?offset=10000&limit=100&total=true").Status(http.StatusOK)
		h.GET("/goods?offset=10001").Fails(app.Invalid, "offset must be at most 10000")
	})
}

func quoted(s string) string { return `"` + s + `"` }

// What a list cannot be ordered by is a mistake of the plugin's author, who is told what to do.
func TestAListSaysWhatItsCursorNeeds(t *testing.T) {
	t.Parallel()
	db := apptest.SQLite(t).Open(t, goods)
	storage := db.WithContext(t.Context()).Table("goods")
	_, err := app.FindPage[Good](storage, app.PageQuery{Limit: 1}, "color")
	require.ErrorContains(t, err, `app_test.Good has no field for the column "color"`)
	_, err = app.FindPage[Good](storage, app.PageQuery{Limit: 1}, "note")
	require.ErrorContains(t, err, `the column "note" may be NULL`)
}

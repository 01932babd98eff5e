package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
)

// productLedger is the workload of the released binary: each client creates, changes and deletes products of its own,
// and a tenth of its requests violate the uniqueness of names, so that they are rolled back.
type productLedger struct {
	mu   sync.Mutex
	sent int
	// mine are the products that a client has created and nobody has tried to delete.
	mine [clients][]product
	// created and deleted are the acked ids, changed the acked prices by id.
	created, deleted map[int64]bool
	changed          map[int64][]float64
	// collided counts refused duplicates; admitted names duplicates that were not refused.
	collided int
	admitted []string
}

type product struct {
	id   int64
	name string
}

func newProductLedger() *productLedger {
	return &productLedger{created: make(map[int64]bool), deleted: make(map[int64]bool), changed: make(map[int64][]float64)}
}

// Shares of the requests, in percent; the rest creates.
const (
	changePercent = 40
	deletePercent = 8
)

// next implements workload.
func (l *productLedger) next(rng *rand.Rand, client int) op {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	price := float64(l.sent) / percent // no two requests have the same
	mine := l.mine[client]
	what := rng.IntN(percent)
	if len(mine) == 0 {
		return l.create(client, price)
	}
	at := rng.IntN(len(mine))
	switch {
	case what < undonePercent/2:
		return l.collide(http.MethodPost, "/products", mine[at].name, price)
	case what < undonePercent && len(mine) > 1:
		other := mine[(at+1)%len(mine)]
		return l.collide(http.MethodPatch, fmt.Sprintf("/products/%d", other.id), mine[at].name, price)
	case what < undonePercent+changePercent:
		return l.change(mine[at].id, price)
	case what < undonePercent+changePercent+deletePercent:
		l.mine[client] = append(mine[:at:at], mine[at+1:]...)
		return l.remove(mine[at].id)
	default:
		return l.create(client, price)
	}
}

func (l *productLedger) create(client int, price float64) op {
	name := fmt.Sprintf("c%d-%d", client, l.sent)
	return op{method: http.MethodPost, path: "/products", body: encode(map[string]any{"name": name, "price": price}), done: func(status int, body []byte) {
		var answer struct {
			Data struct {
				ID int64 `json:"id"`
			} `json:"data"`
		}
		if status != http.StatusCreated || json.Unmarshal(body, &answer) != nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.created[answer.Data.ID] = true
		l.mine[client] = append(l.mine[client], product{answer.Data.ID, name})
	}}
}

func (l *productLedger) collide(method, path, name string, price float64) op {
	return op{method: method, path: path, body: encode(map[string]any{"name": name, "price": price}), done: func(status int, _ []byte) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case status == http.StatusConflict:
			l.collided++
		case status >= http.StatusOK && status < http.StatusMultipleChoices:
			l.admitted = append(l.admitted, name)
		}
	}}
}

func (l *productLedger) change(id int64, price float64) op {
	return op{method: http.MethodPatch, path: fmt.Sprintf("/products/%d", id), body: encode(map[string]any{"price": price}), done: func(status int, _ []byte) {
		if status != http.StatusOK {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changed[id] = append(l.changed[id], price)
	}}
}

func (l *productLedger) remove(id int64) op {
	return op{method: http.MethodDelete, path: fmt.Sprintf("/products/%d", id), done: func(status int, _ []byte) {
		if status != http.StatusOK {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.deleted[id] = true
	}}
}

func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	return body
}

// productFacts is the knowledge of the clients.
type productFacts struct {
	created, deleted map[int64]bool
	changed          map[int64][]float64
	collided         int
	admitted         []string
}

// known returns the knowledge of the clients, which have ended.
func (l *productLedger) known() productFacts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return productFacts{maps.Clone(l.created), maps.Clone(l.deleted), maps.Clone(l.changed), l.collided, l.admitted}
}

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/audit"
	auditplugins "plugboard/domains/audit/plugins"
	"plugboard/domains/notifications"
	"plugboard/domains/products"
	"plugboard/domains/products/migrations"
	productplugins "plugboard/domains/products/plugins"
)

// A request stores a product, a notification tells of that, and the audit records both: three domains that do not know
// each other, each step durable, each with the event it was caused by and the request at the beginning.
func TestAChainKeepsItsCausality(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := apptest.New(t, db, products.Module, notifications.Module, audit.Module)
		for name, request := range map[string]string{"Lamp": "order-7", "Chair": "order-8"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/products", strings.NewReader(`{"name":"`+name+`","price":5}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Request-ID", request)
			h.Do(r).Status(http.StatusCreated)
		}
		h.WaitForEvents()

		created := auditOf(t, h, "product.created")
		stored := auditOf(t, h, "notification.stored")
		require.Len(t, created, 2)
		require.Len(t, stored, 2)
		for product, first := range created {
			second := stored[product]
			require.Contains(t, []string{"order-7", "order-8"}, first.RequestID)
			require.Empty(t, first.ParentEventID, "a request is no event")
			require.Equal(t, "products.create_product", first.Emitter)

			require.Equal(t, first.RequestID, second.RequestID)
			require.Equal(t, first.EventID, second.ParentEventID)
			require.Equal(t, "notifications.store_notification", second.Emitter)
			require.NotEqual(t, first.EventID, second.EventID)
			require.False(t, second.OccurredAt.Before(first.OccurredAt))
		}
	})
}

// The audit names who made the request at the beginning of a chain, in the records of what the request did and of what others did because
// of it.
func TestAChainKeepsItsPrincipal(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		signIn := func(ctx context.Context, r *http.Request) (context.Context, error) {
			if id := r.Header.Get("X-User"); id != "" {
				app.CallFrom(ctx).Principal = &app.Principal{ID: id}
			}
			return ctx, nil
		}
		h := apptest.New(t, db, app.Migrations(migrations.Files), app.Every(app.Guard(signIn)),
			productplugins.CreateProduct, productplugins.UpdateProduct, productplugins.DeleteProduct, notifications.Module, audit.Module)
		for _, user := range []string{"ann", "bob", ""} {
			as := h.As(func(r *http.Request) { r.Header.Set("X-User", user) })
			as.POST("/products", map[string]any{"name": "Lamp of " + user, "price": 5}).Status(http.StatusCreated)
		}
		h.WaitForEvents()

		for user, topics := range map[string][]string{
			"ann": {"notification.stored", "product.created"}, "bob": {"notification.stored", "product.created"}, "nobody else": nil,
		} {
			var found []string
			for _, entry := range apptest.Data[auditplugins.ListAuditData](h.GET("/audit?principal=" + url.QueryEscape(user))).Items {
				require.Equal(t, user, entry.Principal)
				found = append(found, entry.Topic)
			}
			slices.Sort(found)
			require.Equal(t, topics, found, user)
		}
		all := apptest.Data[auditplugins.ListAuditData](h.GET("/audit"))
		require.Len(t, all.Items, 6)
		for _, entry := range all.Items {
			require.Contains(t, []string{"ann", "bob", ""}, entry.Principal)
		}
	})
}

// auditOf returns the audit's entries of a topic by product.
func auditOf(t *testing.T, h *apptest.App, topic string) map[int64]auditplugins.ListAuditItem {
	t.Helper()
	entries := map[int64]auditplugins.ListAuditItem{}
	for _, entry := range apptest.Data[auditplugins.ListAuditData](h.GET("/audit?topic=" + topic)).Items {
		entries[entry.ProductID] = entry
	}
	return entries
}

package plugins_test

import (
	"net/http"
	"testing"

	"plugboard/app"
	"plugboard/app/apptest"

	"example.org/site/domains/greetings/plugins"
)

func TestGreet(t *testing.T) {
	t.Parallel()
	h := apptest.New(t, plugins.Greet)
	h.GET("/greetings/Ada").Status(http.StatusOK).JSON(`{"success":true,"data":{"greeting":"Good day, Ada"},"error":null}`)
	h.GET("/greetings/%20").Status(app.Invalid.Status())
}

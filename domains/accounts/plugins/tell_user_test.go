package plugins_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/app/apptest"
	"plugboard/domains/accounts/plugins"
)

func TestTellUser(t *testing.T) {
	t.Parallel()
	apptest.EachDatabase(t, func(t *testing.T, db apptest.Database) {
		h := open(t, db)
		id := h.register("ada@example.org")
		teller := plugins.NewTellUserPlugin(h.DB())
		user, err := teller.Execute(apptest.Context(t), plugins.UserQuery{ID: id})
		require.NoError(t, err)
		require.Equal(t, plugins.User{ID: id, Email: "ada@example.org", Name: "Ada"}, user)
		_, err = teller.Execute(apptest.Context(t), plugins.UserQuery{ID: "nobody"})
		require.Equal(t, app.NotFound, app.CodeOf(err))
	})
}

package httpserver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/app"
	"plugboard/infra/httpserver"
	"plugboard/infra/httpserver/testdata/models"
)

// decodes has a JSON form of its own for what is received; sent, it is a struct like any other.
type decodes struct {
	Login login `json:"login"`
}

type login struct {
	Password string `json:"password" secret:"true"`
}

func (*decodes) UnmarshalJSON([]byte) error { return nil }

type optionalAnswer struct {
	Name app.Optional[models.Product] `json:"name"`
}

type decodingAnswer struct {
	In decodes `json:"in"`
}

func TestWhatOnlyDecodesItselfIsLookedIntoInAnswers(t *testing.T) {
	t.Parallel()
	for want, handler := range map[string]app.Handler{
		"response field optionalAnswer.Name holds app.Optional, which is for requests; use a pointer": handle[nothing, optionalAnswer](),
		"response field login.Password is secret and must not be in a response":                       handle[nothing, decodingAnswer](),
	} {
		s := httpserver.New(httpserver.Params{HTTP: benchSettings()})
		problems := s.Check(endpointsOf(t, "test.plugin", func(b *app.Boot) { b.GET("/x", handler) }))
		require.Len(t, problems, 1)
		require.ErrorContains(t, problems[0], want)
		require.ErrorContains(t, problems[0], "plugin test.plugin (")
	}
}

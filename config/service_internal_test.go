package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheServiceIsNamedAfterItsModule(t *testing.T) {
	t.Parallel()
	for module, want := range map[string]string{
		"plugboard": "plugboard", "example.org/shop": "shop", "example.org/team/shop/v2": "shop", "example.org/shop/v12": "shop", "gopkg.example/shop.v3": "shop", "": "service", "v2": "v2",
	} {
		require.Equal(t, want, NameOf(module), module)
	}
}

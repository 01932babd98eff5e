package oidc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	mostKeys = 100
	// Bounds of RSA keys in bits: the least that RFC 7518 allows, section 3.3, and what takes no millisecond.
	leastBits, mostBits = 2048, 8192
)

// keySet are the public keys of a provider.
type keySet []jose.JSONWebKey

// readKeys reads a key set (RFC 7517). It leaves out keys that are not for signatures, and those that it does not understand, as section 5
// asks. A key that is a secret, for HMAC, is left out too: what is published is none.
func readKeys(text []byte) (keySet, error) {
	var document struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read the provider's keys: %w", err)
	}
	if len(document.Keys) > mostKeys {
		return nil, fmt.Errorf("the provider has %d keys; at most %d are read", len(document.Keys), mostKeys)
	}
	var keys keySet
	for _, text := range document.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) != nil || key.Use != "" && key.Use != "sig" || !key.IsPublic() || family(key) == "" {
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("the provider has no key for signatures that this service understands")
	}
	return keys, nil
}

// family returns what the names of the key's algorithms begin with, in the terms of [keySet.of], or "" for none.
func family(key jose.JSONWebKey) string {
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); leastBits <= bits && bits <= mostBits {
			return "RSA"
		}
	case *ecdsa.PublicKey:
		return map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Params().BitSize]
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// of returns the keys that may have signed a token with this header. A header without a key's name fits all keys of its algorithm.
func (s keySet) of(h header) (found keySet) {
	want := h.Algorithm
	if strings.HasPrefix(want, "RS") || strings.HasPrefix(want, "PS") {
		want = "RSA"
	}
	for _, key := range s {
		if family(key) == want && (key.Algorithm == "" || key.Algorithm == h.Algorithm) && (h.Key == "" || key.KeyID == h.Key) {
			found = append(found, key)
		}
	}
	return found
}

// has reports whether there is a key of the name, whatever it is for.
func (s keySet) has(name string) bool {
	for _, key := range s {
		if name == "" || key.KeyID == name {
			return true
		}
	}
	return false
}

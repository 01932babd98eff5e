package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
)

// keySet are the public keys of the provider. They are fetched when they are needed, and again when a token has a key that is not among them.
// It is no oidc.RemoteKeySet, since that fetches on a goroutine which nobody stops, and does not tell a provider that is gone from a
// signature that is wrong.
type keySet struct {
	url    string
	client *http.Client
	keys   atomic.Pointer[[]jose.JSONWebKey]
}

// errSignature says that no key of the provider has signed a token.
var errSignature = errors.New("no key of the provider has signed the token")

// verify returns what is in a signed token. The error is errSignature, or says why there are no keys.
func (s *keySet) verify(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	if known := s.keys.Load(); known != nil {
		if payload, ok := verifyWith(*known, token); ok {
			return payload, nil
		}
	}
	keys, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	s.keys.Store(&keys)
	if payload, ok := verifyWith(keys, token); ok {
		return payload, nil
	}
	return nil, errSignature
}

func verifyWith(keys []jose.JSONWebKey, token *jose.JSONWebSignature) (payload []byte, ok bool) {
	name := token.Signatures[0].Header.KeyID
	for _, key := range keys {
		if name != "" && key.KeyID != name {
			continue
		}
		if payload, err := token.Verify(&key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// fetch gets the keys. It leaves out those that are not public, those that are for encryption, and those that it does not understand, as RFC 7517,
// section 5, asks.
func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("get keys: %w", err)
	}
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, errors.New("get keys: the answer is no key set")
	}
	keys := []jose.JSONWebKey{}
	for _, text := range document.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// attempt is the verification of one token. It is an oidc.KeySet that keeps why it failed, which the verifier turns into text.
type attempt struct {
	keys       *keySet
	algorithms []jose.SignatureAlgorithm
	err        error
}

// VerifySignature implements oidc.KeySet.
func (a *attempt) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	signed, err := jose.ParseSignedCompact(token, a.algorithms)
	if err != nil {
		return nil, err
	}
	payload, a.err = a.keys.verify(ctx, signed)
	return payload, a.err
}

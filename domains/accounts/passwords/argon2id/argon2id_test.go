package argon2id_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"plugboard/domains/accounts/passwords/argon2id"
)

// Every hash is that of golang.org/x/crypto/argon2, whatever the parameters.
func TestKey(t *testing.T) {
	t.Parallel()
	for _, passes := range []uint32{1, 2, 3} {
		for _, memory := range []uint32{1, 8, 31, 127, 513, 1029} {
			for _, lanes := range []uint8{1, 2, 3, 16} {
				for _, size := range []uint32{4, 64, 65, 100} {
					password, salt := fmt.Appendf(nil, "password %d %d", passes, memory), fmt.Appendf(nil, "salt %d %d", lanes, size)
					require.Equal(t, argon2.IDKey(password, salt, passes, memory, lanes, size), argon2id.Key(password, salt, passes, memory, lanes, size),
						"passes %d, memory %d, lanes %d, size %d", passes, memory, lanes, size)
				}
			}
		}
	}
	require.Equal(t, argon2.IDKey([]byte("p"), []byte("0123456789abcdef"), 2, 19*1024, 1, 32), argon2id.Key([]byte("p"), []byte("0123456789abcdef"), 2, 19*1024, 1, 32))
	require.Equal(t, argon2.Version, argon2id.Version)
}

func TestKeyRefusesNothing(t *testing.T) {
	t.Parallel()
	const want = "argon2id: passes, lanes and size must be at least 1"
	require.PanicsWithValue(t, want, func() { argon2id.Key([]byte("p"), []byte("salt"), 0, 64, 1, 32) })
	require.PanicsWithValue(t, want, func() { argon2id.Key([]byte("p"), []byte("salt"), 1, 64, 0, 32) })
	require.PanicsWithValue(t, want, func() { argon2id.Key([]byte("p"), []byte("salt"), 1, 64, 1, 0) })
}

// Hashes at the same time, of different sizes, do not get into each other's memory.
func TestKeysAtTheSameTime(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for i := range uint32(8) {
		all.Go(func() {
			for round := range uint32(20) {
				password, memory := fmt.Appendf(nil, "password %d %d", i, round), 8+64*(i+round)%512
				if want, got := argon2.IDKey(password, []byte("salt"), 1, memory, 1, 32), argon2id.Key(password, []byte("salt"), 1, memory, 1, 32); string(want) != string(got) {
					t.Errorf("%s with %d KiB: got %x, want %x", password, memory, got, want)
				}
			}
		})
	}
	all.Wait()
}

func FuzzKey(f *testing.F) {
	f.Add([]byte("password"), []byte("salt"), uint32(1), uint32(64), uint8(1), uint32(32))
	f.Fuzz(func(t *testing.T, password, salt []byte, passes, memory uint32, lanes uint8, size uint32) {
		passes, memory, lanes, size = 1+passes%4, memory%2048, 1+lanes%8, 1+size%200
		if want, got := argon2.IDKey(password, salt, passes, memory, lanes, size), argon2id.Key(password, salt, passes, memory, lanes, size); string(want) != string(got) {
			t.Errorf("got %x, want %x", got, want)
		}
	})
}

func BenchmarkKey(b *testing.B) {
	for name, key := range map[string]func(password, salt []byte, passes, memory uint32, lanes uint8, size uint32) []byte{"ours": argon2id.Key, "x-crypto": argon2.IDKey} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				key([]byte("correct horse battery staple"), []byte("0123456789abcdef"), 2, 19*1024, 1, 32)
			}
		})
	}
}

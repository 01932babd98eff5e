package passwords

import (
	"encoding/json"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go/data"

	"plugboard/app"
)

// The lengths of a password, in characters. There is no rule on what it consists of: such rules make passwords worse (NIST SP 800-63B-4,
// section 3.1.1.2).
const (
	Shortest = 12
	Longest  = 256
)

// Check returns a refusal of a password that is too short, too long, or among the first that an attacker tries: a common password with
// digits and signs around it, a run such as "abcdefghijkl", one of the words, which are the user's address and the like. The error is
// [app.Invalid], with the field that is given, and does not contain the password.
func Check(field, password string, words ...string) error {
	refuse := func(rule, message string) error {
		return app.Violations{{Field: field, Rule: rule, Message: message}}
	}
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return refuse("text", "must be text")
	case n < Shortest:
		return refuse("min", "must have at least 12 characters")
	case n > Longest:
		return refuse("max", "must have at most 256 characters")
	}
	lower := strings.ToLower(password)
	if isRun(lower) || isCommon(lower) {
		return refuse("common", "is among those that are tried first; several words that do not belong together are better")
	}
	core := letters(lower)
	for _, word := range words {
		for _, part := range strings.FieldsFunc(strings.ToLower(word), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			const telling = 4
			if len(part) >= telling && (core == letters(part) || lower == strings.ToLower(word)) {
				return refuse("common", "must not be made of the e-mail address, a name or a word that everybody tries here")
			}
		}
	}
	return nil
}

// letters returns s without digits and signs at its ends.
func letters(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
}

// isCommon reports whether a password in lower case is a common one, or a common one repeated, or one with digits and signs around it.
func isCommon(lower string) bool {
	list := common()
	core := letters(lower)
	for _, candidate := range []string{lower, core, plain(core), plain(lower), letters(plain(lower))} {
		if list[candidate] || list[once(candidate)] {
			return true
		}
	}
	return false
}

// plain returns s with the signs that are often put in the place of letters replaced by these.
func plain(s string) string {
	return strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i").Replace(s)
}

// once returns the part that s is a repetition of, or s.
func once(s string) string {
	for n := 1; n <= len(s)/2; n++ {
		if len(s)%n == 0 && strings.Repeat(s[:n], len(s)/n) == s {
			return s[:n]
		}
	}
	return s
}

// isRun reports whether each character follows from the one before: the same, the next, or the one before in order or on a keyboard.
func isRun(s string) bool {
	if len(once(s)) <= 2 {
		return true
	}
	const rows = "qwertyuiopasdfghjklzxcvbnm"
	steps := map[int]int{}
	for i := 1; i < len(s); i++ {
		a, b := strings.IndexByte(rows, s[i-1]), strings.IndexByte(rows, s[i])
		switch step := int(s[i]) - int(s[i-1]); {
		case step == 1 || step == -1 || step == 0:
			steps[step]++
		case a >= 0 && (b == a+1 || b == a-1):
			steps[10]++
		case s[i-1] == '9' && s[i] == '0':
			steps[1]++
		}
	}
	for _, n := range steps {
		if n >= len(s)-2 {
			return true
		}
	}
	return false
}

// common returns the most common passwords, in lower case: those of zxcvbn's list, which comes from what was stolen and published. The list
// is unpacked at the first use, in about 2 ms, since most processes of a service never ask.
var common = sync.OnceValue(func() map[string]bool { //nolint:gochecknoglobals // made once, and never changed
	var file struct {
		List []string `json:"List"`
	}
	text, err := data.Asset("data/Passwords.json")
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		panic("passwords: the list in the binary cannot be read: " + err.Error()) // a test reads it
	}
	set := make(map[string]bool, len(file.List))
	for _, password := range file.List {
		set[strings.ToLower(password)] = true
	}
	return set
})

package sqltables

import (
	"regexp"
	"strings"
)

// sqlToken is a part of an SQL text. Of a name, quoted or not, text is without quotes; a string has none.
type sqlToken struct {
	kind sqlKind
	text string
	word string // of a name without quotes, in upper case: it may be a keyword
}

type sqlKind int

const (
	sqlName sqlKind = iota
	sqlString
	sqlSign // one character: a bracket, a comma, a placeholder's ? or @
)

// sqlForm matches a token in the notation of SQLite or Postgres: comments; strings, also those with backslashes or
// between dollars; names in quotes; names; numbers.
var sqlForm = regexp.MustCompile("(?is)^(?:" + strings.Join([]string{
	`(\s+|--[^\n]*)`,
	`(e'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*')`,
	"(\"(?:[^\"]|\"\")*\"|`[^`]*`)",
	`([a-z_\x80-\x{10FFFF}][\w$\x80-\x{10FFFF}]*)`,
	`(\d[\w.]*)`,
}, "|") + ")")

var (
	dollarQuote = regexp.MustCompile(`^\$([A-Za-z_]\w*)?\$`)
	bracketName = regexp.MustCompile(`^\[[A-Za-z_][\w ]*\]`)
)

// sqlTokens splits an SQL text into tokens. An unknown character is a sign.
func sqlTokens(text string) []sqlToken {
	var all []sqlToken
	for text != "" {
		m := sqlForm.FindStringSubmatch(text)
		size := 1
		switch quote := dollarQuote.FindString(text); {
		case strings.HasPrefix(text, "/*"):
			size = sqlComment(text)
		case quote != "":
			size = len(quote) + len(quote) + strings.Index(text[len(quote):]+quote, quote)
			all = append(all, sqlToken{kind: sqlString})
		case m == nil && startsName(all) && bracketName.MatchString(text):
			size = len(bracketName.FindString(text))
			all = append(all, sqlToken{text: text[1 : size-1]})
		case m == nil:
			all = append(all, sqlToken{kind: sqlSign, text: text[:1]})
		default:
			size = len(m[0])
			all = append(all, sqlTokenOf(m)...)
		}
		text = text[min(size, len(text)):]
	}
	return all
}

// sqlTokenOf returns the token of a match, none for space.
func sqlTokenOf(m []string) []sqlToken {
	switch {
	case m[1] != "":
		return nil
	case m[3] != "":
		return []sqlToken{{text: m[3][1 : len(m[3])-1]}}
	case m[4] != "":
		return []sqlToken{{text: m[4], word: strings.ToUpper(m[4])}}
	default:
		return []sqlToken{{kind: sqlString}}
	}
}

// sqlComment returns how long the comment is that text begins with; one may hold another.
func sqlComment(text string) int {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// startsName reports whether a bracket after the tokens is a quote and no index.
func startsName(before []sqlToken) bool {
	if len(before) == 0 {
		return true
	}
	last := before[len(before)-1]
	return last.kind == sqlSign && strings.Contains(",(.", last.text) ||
		last.kind == sqlName && (tableWords[last.word] != "" || last.word == "ONLY" || last.word == "EXISTS")
}

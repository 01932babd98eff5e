// Package sqltext tells what kind of statement an SQL text is.
//
// It reads only as much of the text as that needs: words, comments and quoted texts, as SQLite and Postgres have them. All
// functions are pure.
package sqltext

import "strings"

// IsSelect tells whether query's first word, after spaces and comments, is SELECT.
func IsSelect(query string) bool {
	word, _ := NextWord(query)
	return strings.EqualFold(word, "SELECT")
}

// IsRollbackTo tells whether query begins with ROLLBACK TO, without spaces or comments before it.
func IsRollbackTo(query string) bool {
	return len(query) > len(RollbackTo) && strings.EqualFold(query[:len(RollbackTo)], RollbackTo)
}

// FirstWord returns query's first word, after spaces and comments, in capitals.
func FirstWord(query string) string {
	word, _ := NextWord(query)
	return strings.ToUpper(word)
}

// NextWord returns query's first word, after spaces and comments, as it is written, and what follows it.
func NextWord(query string) (word, rest string) {
	query = query[skipBlank(query):]
	end := 0
	for end < len(query) && isWord(query[end]) {
		end++
	}
	return query[:end], query[end:]
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// skipBlank returns the index of query's first character after spaces and comments.
func skipBlank(query string) int {
	i := 0
	for i < len(query) {
		rest := query[i:]
		switch {
		case strings.IndexByte(" \t\r\n\f", rest[0]) >= 0:
			i++
		case strings.HasPrefix(rest, "--"):
			i += lengthTo(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			i += lengthTo(rest, "*/")
		default:
			return i
		}
	}
	return i
}

func lengthTo(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i + len(end)
	}
	return len(text)
}

package sqltext

import "strings"

// RollbackTo is what [Control] returns for a rollback to a savepoint, also when it is written as ROLLBACK WORK TO.
const RollbackTo = "ROLLBACK TO"

// Control looks for a statement in query that begins, ends or divides a transaction. It returns the words that say so, such as COMMIT,
// ROLLBACK TO or START TRANSACTION; "" if there is no such statement.
func Control(query string) string {
	if word := controlWord(query); word != "" || !strings.Contains(query, ";") {
		return word
	}
	body := false // true within the body of a trigger or a function, where BEGIN and END are no statements
	for rest := query; rest != ""; {
		statement, after := cutStatement(rest)
		rest = after
		word := controlWord(statement)
		switch {
		case body:
			body = word != "END"
		case word != "":
			return word
		default:
			body = startsBody(statement)
		}
	}
	return ""
}

// controlWord does for one statement what Control does for all of a query.
func controlWord(statement string) string {
	rest := statement[skipBlank(statement):]
	if rest == "" || strings.IndexByte("abceprs", rest[0]|0x20) < 0 { // most statements
		return ""
	}
	switch word := FirstWord(rest); word {
	case "BEGIN", "COMMIT", "END", "ABORT", "SAVEPOINT", "RELEASE":
		return word
	case "START", "PREPARE":
		if secondWord(rest) == "TRANSACTION" {
			return word + " TRANSACTION"
		}
	case "ROLLBACK":
		return rollbackWord(rest)
	}
	return ""
}

// rollbackWord tells ROLLBACK TO from ROLLBACK. WORK or TRANSACTION may follow ROLLBACK and change nothing.
func rollbackWord(statement string) string {
	rest := statement[len("ROLLBACK"):]
	next := FirstWord(rest)
	if next == "WORK" || next == "TRANSACTION" {
		next = secondWord(rest)
	}
	if next == "TO" {
		return RollbackTo
	}
	return "ROLLBACK"
}

// secondWord returns text's second word, in capitals.
func secondWord(text string) string {
	_, rest := NextWord(text)
	return FirstWord(rest)
}

// startsBody is true if statement creates a trigger or a function and reaches into its body. It ends at the first semicolon of the body.
func startsBody(statement string) bool {
	if FirstWord(statement) != "CREATE" {
		return false
	}
	for i := 0; i < len(statement); i += skipToken(statement[i:]) {
		if isWord(statement[i]) && FirstWord(statement[i:]) == "BEGIN" {
			return true
		}
	}
	return false
}

// cutStatement returns the first statement of query, and what comes after its semicolon.
func cutStatement(query string) (statement, rest string) {
	for i := 0; i < len(query); i += skipToken(query[i:]) {
		if query[i] == ';' {
			return query[:i], query[i+1:]
		}
	}
	return query, ""
}

// skipToken returns the length of what text begins with: a quoted text, a comment, a word, or a single character.
func skipToken(text string) int {
	switch c := text[0]; {
	case (c == 'e' || c == 'E') && strings.HasPrefix(text[1:], "'"): // Postgres' text with backslashes
		return 2 + lengthOfEscaped(text[2:])
	case isWord(c):
		n := 1
		for n < len(text) && (isWord(text[n]) || text[n] == '$') {
			n++
		}
		return n
	case c == '\'' || c == '"' || c == '`':
		return 1 + lengthTo(text[1:], text[:1])
	case c == '$':
		return lengthOfDollars(text)
	case strings.HasPrefix(text, "--"), strings.HasPrefix(text, "/*"):
		return skipBlank(text)
	default:
		return 1
	}
}

// lengthOfEscaped returns the length of a text with backslashes, with the quote that ends it.
func lengthOfEscaped(text string) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\'':
			return i + 1
		}
	}
	return len(text)
}

// lengthOfDollars returns the length of a text between two tags such as $body$, and 1 if there is none.
func lengthOfDollars(text string) int {
	n := 1
	for n < len(text) && isWord(text[n]) {
		n++
	}
	if n == len(text) || text[n] != '$' {
		return 1
	}
	tag := text[:n+1]
	return len(tag) + lengthTo(text[len(tag):], tag)
}

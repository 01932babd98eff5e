// Package sqltables finds the tables that a text in SQL names.
package sqltables

import (
	"slices"
	"strings"
)

// After a word of SQL that names tables comes one of these.
const (
	aList  = "list"  // of tables, subqueries and functions
	aName  = "name"  // of one table, perhaps with its columns
	aNames = "names" // of tables
)

// tableWords are the words after which tables are named.
var tableWords = map[string]string{
	"FROM": aList, "JOIN": aList, "USING": aList, "INTO": aName, "UPDATE": aName, "REFERENCES": aName, "TABLE": aNames, "TRUNCATE": aNames,
}

var (
	// listEnds end the list of tables that a statement reads.
	listEnds = strings.Fields("WHERE GROUP ORDER HAVING LIMIT OFFSET WINDOW FOR FETCH SET RETURNING VALUES SELECT UNION INTERSECT EXCEPT WHEN")
	// statements begin a statement.
	statements = strings.Fields("SELECT INSERT UPDATE DELETE MERGE VALUES WITH")
	// beforeName may stand between such a word and the name.
	beforeName = strings.Fields("ONLY LATERAL IF NOT EXISTS OR ROLLBACK ABORT REPLACE FAIL IGNORE TABLE TEMP TEMPORARY UNLOGGED")
	// notUpdates are the words after which UPDATE is no statement.
	notUpdates = strings.Fields("FOR KEY DO THEN ON OF")
)

// In returns the tables that an SQL text names: a statement, or a part of one such as a condition. Its comments,
// its strings, the names it gives itself by WITH, and functions are none.
func In(text string) []string {
	r := sqlReader{tokens: sqlTokens(text), levels: []*sqlLevel{{statement: true}}}
	for r.at < len(r.tokens) {
		r.step()
	}
	for len(r.levels) > 1 {
		r.leave()
	}
	return r.levels[0].tables()
}

// sqlReader reads SQL from left to right, in levels of brackets.
type sqlReader struct {
	tokens []sqlToken
	at     int
	levels []*sqlLevel
}

// sqlLevel holds the facts about a text between brackets.
type sqlLevel struct {
	statement bool   // it holds a statement: the FROM of a function such as TRIM names no table
	wants     string // the kind of the next word, "" when it is no table
	list      string // the kind of the word after a comma
	joined    bool   // a JOIN was seen, so that USING names columns
	with      bool   // it is in the list of WITH
	recursive bool
	body      string // the name of WITH whose text is being read
	own       []string
	named     []sqlTable
}

// sqlTable is a table that is named, and how many of the level's own names were known there.
type sqlTable struct {
	name      string
	qualified bool
	known     int
}

// tables returns the named tables, without the level's own names.
func (l *sqlLevel) tables() []string {
	var found []string
	for _, t := range l.named {
		known := l.own[:t.known]
		if l.recursive {
			known = l.own
		}
		if t.qualified || !slices.Contains(known, strings.ToLower(t.name)) {
			found = append(found, t.name)
		}
	}
	return found
}

func (r *sqlReader) level() *sqlLevel { return r.levels[len(r.levels)-1] }

// token returns the token that is n after the next one.
func (r *sqlReader) token(n int) sqlToken {
	if i := r.at + n; i >= 0 && i < len(r.tokens) {
		return r.tokens[i]
	}
	return sqlToken{kind: sqlSign}
}

func (r *sqlReader) step() {
	t, l := r.token(0), r.level()
	switch {
	case t.kind == sqlSign:
		r.sign(t.text)
	case t.kind == sqlName && l.wants != "" && slices.Contains(beforeName, t.word):
	case t.kind == sqlName && tableWords[t.word] != "":
		r.tableWord(t.word)
	case slices.Contains(statements, t.word) || slices.Contains(listEnds, t.word):
		r.clause(t.word)
	case t.kind == sqlName && l.wants != "" && (t.word != "ROWS" || r.token(1).word != "FROM"):
		r.table()
		return
	default:
		l.wants = ""
	}
	r.at++
}

func (r *sqlReader) sign(text string) {
	l := r.level()
	switch text {
	case "(":
		inner := &sqlLevel{}
		if l.wants == aList {
			inner.wants, inner.list = aList, aList
		}
		l.wants = ""
		r.levels = append(r.levels, inner)
	case ")":
		if len(r.levels) > 1 {
			r.leave()
		}
	case ",":
		l.wants = l.list
		if l.with {
			r.commonName(1)
		}
	case ";":
		named := l.tables()
		*l = sqlLevel{statement: l.statement}
		l.add(named, true)
	default:
		l.wants = ""
	}
}

// leave ends a level. The tables it names may be names of the level around it.
func (r *sqlReader) leave() {
	inner := r.level()
	r.levels = r.levels[:len(r.levels)-1]
	l := r.level()
	for _, t := range inner.named {
		if t.qualified {
			l.add([]string{t.name}, true)
		}
	}
	inner.named = slices.DeleteFunc(inner.named, func(t sqlTable) bool { return t.qualified })
	l.add(inner.tables(), false)
	if l.body != "" {
		l.own, l.body = append(l.own, strings.ToLower(l.body)), ""
	}
}

func (l *sqlLevel) add(names []string, qualified bool) {
	for _, name := range names {
		l.named = append(l.named, sqlTable{name: name, qualified: qualified, known: len(l.own)})
	}
}

// clause begins a statement or a part of one that lists no tables.
func (r *sqlReader) clause(word string) {
	l := r.level()
	l.wants, l.list, l.with = "", "", false
	if !slices.Contains(statements, word) {
		return
	}
	l.statement, l.joined = true, false
	if word == "WITH" {
		n := 1
		if r.token(1).word == "RECURSIVE" {
			n, l.recursive = 2, true
		}
		r.commonName(n)
	}
}

// commonName notes a name of WITH n tokens ahead: name (columns) AS (text).
func (r *sqlReader) commonName(n int) {
	name := r.token(n)
	n++
	if r.token(n).text == "(" {
		for n++; r.token(n).text != ")" && r.at+n < len(r.tokens); n++ {
		}
		n++
	}
	if name.kind != sqlName || r.token(n).word != "AS" {
		return
	}
	for n++; slices.Contains([]string{"NOT", "MATERIALIZED"}, r.token(n).word); n++ {
	}
	if l := r.level(); r.token(n).text == "(" {
		l.with, l.body, l.wants = true, name.text, ""
		r.at += n - 1 // step goes on with the bracket
	}
}

// tableWord notes that tables are named next, unless the word means something else here.
func (r *sqlReader) tableWord(word string) {
	l, before, next := r.level(), r.token(-1), r.token(1)
	l.wants = ""
	switch word {
	case "FROM":
		if !l.statement && l.list == "" || before.word == "DISTINCT" || before.word == "ROWS" {
			return
		}
	case "UPDATE":
		if slices.Contains(notUpdates, before.word) {
			return
		}
		l.statement = true
	case "USING":
		subquery := slices.Contains([]string{"SELECT", "VALUES", "WITH"}, r.token(2).word)
		if !l.statement || l.joined || next.text == "(" && next.kind == sqlSign && !subquery {
			return
		}
	case "JOIN":
		l.joined = true
	}
	l.wants, l.list, l.with = tableWords[word], "", false
	if l.wants != aName {
		l.list = l.wants
	}
}

// table reads a name with its schema, and notes it unless it is a function's.
func (r *sqlReader) table() {
	l := r.level()
	name, qualified := r.token(0), false
	r.at++
	for r.token(0).text == "." && r.token(0).kind == sqlSign && r.token(1).kind == sqlName {
		name, qualified = r.token(1), true
		r.at += 2
	}
	called := r.token(0).kind == sqlSign && r.token(0).text == "("
	if !called || l.wants != aList {
		l.add([]string{name.text}, qualified)
	}
	l.wants = ""
}

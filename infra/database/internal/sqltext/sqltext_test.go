package sqltext_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"plugboard/infra/database/internal/sqltext"
)

func TestControl(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"BEGIN":                       "BEGIN",
		" begin immediate":            "BEGIN",
		"-- now\n/* really */ commit": "COMMIT",
		"END":                         "END",
		"abort":                       "ABORT",
		"START TRANSACTION":           "START TRANSACTION",
		"PREPARE TRANSACTION 'x'":     "PREPARE TRANSACTION",
		"ROLLBACK":                    "ROLLBACK",
		"rollback work":               "ROLLBACK",
		"ROLLBACK TO x":               "ROLLBACK TO",
		"ROLLBACK /* all */ TRANSACTION TO SAVEPOINT x": "ROLLBACK TO",
		"SAVEPOINT x":                     "SAVEPOINT",
		"RELEASE x":                       "RELEASE",
		"SELECT 1; COMMIT":                "COMMIT",
		"SELECT ';'; COMMIT":              "COMMIT",
		"SELECT $a$;COMMIT;$a$; ROLLBACK": "ROLLBACK",
		`SELECT E'\'; '; COMMIT`:          "COMMIT",
		"CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END; COMMIT": "COMMIT",

		"":                            "",
		"SELECT 1":                    "",
		"SELECT 'COMMIT'":             "",
		"SELECT 1; SELECT 'a;COMMIT'": "",
		`SELECT 1 AS "a;COMMIT"`:      "",
		"SELECT `a;COMMIT`":           "",
		"SELECT $$;COMMIT$$":          "",
		"SELECT $1; SELECT 2":         "",
		"SELECT E'a\\';COMMIT'":       "",
		"SELECT 1 -- ;COMMIT":         "",
		"SELECT 1 /* ;COMMIT */":      "",
		"SELECT 1 /* never ends":      "",
		"SELECT 'never ends; COMMIT":  "",
		"PREPARE x AS SELECT 1":       "",
		"BEGINNING":                   "",
		"STARTLE":                     "",
		"ENDS":                        "",
		"CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; SELECT 2; END": "",
		"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END":       "",
		"CREATE TABLE x (begin_at int); INSERT INTO x VALUES (1)":          "",
	} {
		require.Equal(t, want, sqltext.Control(query), query)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	require.True(t, sqltext.IsSelect("/* a */ sElEcT(1)"))
	require.False(t, sqltext.IsSelect("SELECTED"))
	require.False(t, sqltext.IsSelect("INSERT INTO x SELECT 1"))
	require.False(t, sqltext.IsSelect(""))
	require.True(t, sqltext.IsRollbackTo("rollback to savepoint x"))
	require.False(t, sqltext.IsRollbackTo("ROLLBACK"))
	require.False(t, sqltext.IsRollbackTo("ROLLBACK TO"))
	require.Equal(t, "UPDATE", sqltext.FirstWord("\n-- x\nupdate lamps"))
	require.Empty(t, sqltext.FirstWord("(SELECT 1)"))
	word, rest := sqltext.NextWord("/**/Set LOCAL x")
	require.Equal(t, "Set", word)
	require.Equal(t, " LOCAL x", rest)
}

// Whatever the text, the answer comes, and what is only quoted or a comment decides nothing.
func FuzzControl(f *testing.F) {
	for _, seed := range []string{"SELECT 1; COMMIT", "$$", "E'\\", "/*", "--", "'", "CREATE TRIGGER BEGIN ;", ";;;", "$a$;$b$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		word := sqltext.Control(query)
		if word != "" && !strings.Contains(strings.ToUpper(query), strings.Fields(word)[0]) {
			t.Errorf("%q is not in %q", word, query)
		}
		if quoted := "SELECT '" + strings.ReplaceAll(query, "'", "") + "'"; sqltext.Control(quoted) != "" {
			t.Errorf("%q is taken for control", quoted)
		}
	})
}

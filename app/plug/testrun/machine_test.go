package testrun

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// imagined is a machine with some programs. What is installed on it brings others.
type imagined struct {
	programs  []string
	installed []string
	brings    []string
	fails     error
}

func (i *imagined) machine(t *testing.T, root bool) (machine, *bytes.Buffer) {
	t.Helper()
	var said bytes.Buffer
	m := machine{
		stderr: &said,
		look: func(command string) (string, error) {
			for _, program := range i.programs {
				if program == command || path.Base(program) == command {
					return program, nil
				}
			}
			return "", exec.ErrNotFound
		},
		glob: func(pattern string) (found []string, err error) {
			for _, program := range i.programs {
				if ok, _ := filepath.Match(pattern, path.Dir(program)); ok && !slices.Contains(found, path.Dir(program)) {
					found = append(found, path.Dir(program))
				}
			}
			return found, nil
		},
	}
	if root {
		m.install = func(_ context.Context, packages ...string) error {
			i.installed = append(i.installed, packages...)
			i.programs = append(i.programs, i.brings...)
			return i.fails
		}
	}
	return m, &said
}

func TestTheNewestServerIsFound(t *testing.T) {
	t.Parallel()
	of := func(bins ...string) *imagined {
		var i imagined
		for _, bin := range bins {
			i.programs = append(i.programs, bin+"/initdb", bin+"/postgres")
		}
		return &i
	}
	for want, i := range map[string]*imagined{
		"/usr/lib/postgresql/16/bin":          of("/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin"),
		"/usr/pgsql-17/bin":                   of("/usr/lib/postgresql/16/bin", "/usr/pgsql-17/bin"),
		"/opt/homebrew/opt/postgresql@17/bin": of("/opt/homebrew/opt/postgresql@17/bin"),
		"/somewhere/else":                     of("/somewhere/else"),
		"/usr/lib/postgresql/15/bin":          {programs: []string{"/usr/lib/postgresql/16/bin/initdb", "/usr/lib/postgresql/15/bin/initdb", "/usr/lib/postgresql/15/bin/postgres"}},
	} {
		m, said := i.machine(t, true)
		bin, err := m.postgres(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, bin)
		require.Empty(t, said.String())
		require.Empty(t, i.installed)
	}
}

func TestWhatIsMissingIsInstalledOrNamed(t *testing.T) {
	t.Parallel()
	brings := []string{"/usr/bin/gcc", "/usr/lib/postgresql/15/bin/initdb", "/usr/lib/postgresql/15/bin/postgres"}

	i := &imagined{brings: brings}
	m, _ := i.machine(t, true)
	bin, err := m.postgres(t.Context())
	require.NoError(t, err)
	require.Equal(t, "/usr/lib/postgresql/15/bin", bin)
	require.Equal(t, []string{"postgresql"}, i.installed)

	i = &imagined{brings: brings}
	m, said := i.machine(t, true)
	require.True(t, m.hasCompiler(t.Context(), "gcc"))
	require.Equal(t, []string{"gcc", "libc6-dev"}, i.installed)
	require.Equal(t, "test: there is no C compiler; installing Debian's gcc, libc6-dev\n", said.String())

	for _, m := range []machine{first((&imagined{}).machine(t, false)), first((&imagined{fails: errors.New("no network")}).machine(t, true))} {
		_, err = m.postgres(t.Context())
		require.ErrorContains(t, err, "there is no Postgres server on this machine: install one (Debian: apt-get install postgresql;")
		require.False(t, m.hasCompiler(t.Context(), "gcc"))
	}
	m, said = (&imagined{}).machine(t, false)
	require.False(t, m.hasCompiler(t.Context(), "gcc"))
	require.Contains(t, said.String(), "THE TESTS RUN WITHOUT IT, AND FIND NO RACES")
}

func first(m machine, _ *bytes.Buffer) machine { return m }

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// perPackage is how many plugins one generated package holds.
const perPackage = 20

// compareStart measures how long applications of many plugins take to start. The applications are generated,
// compiled and run, since a plugin is a type and a package of twenty is how people would write them.
func compareStart(ctx context.Context, b *bench) (measure.Section, error) {
	few := b.count(1000, 2*perPackage)
	section := measure.Section{
		Title: fmt.Sprintf("Start of %d plugins", few),
		Config: []string{
			fmt.Sprintf("Generated programs, %d plugins to a package; each plugin has its own request, response and event types, a constructor that takes a *gorm.DB, a bus and a logger, one POST route, and announces one event.", perPackage),
			"Ours: `app.Plugin` modules in `app.Domain`s through host.New and Start, with everything it opens: checks, SQLite file with its migrations, work pool, bus, listener, first /livez answered.",
			"With settings: each domain has six settings of its own by `app.Settings`, and each plugin asks for them.",
			"Bare: the same constructors and handlers in an `fx.Module` each, `fx.Private`, with an `fx.Invoke` that registers the route on one gin.Engine (`ShouldBindJSON`, `c.JSON`), no database opened, listener, first /livez answered. Nothing is checked.",
			"Time from the first package initialised, before those of the libraries and plugins, to the first answer; a process of its own each time, 11 rounds in turn.",
		},
	}
	var sides []measure.Side
	for _, p := range []program{{"ours", few}, {"bare", few}, {"ours", 2 * few}, {"settings", few}} {
		side, err := p.side(ctx, b)
		if err != nil {
			return section, err
		}
		sides = append(sides, side)
	}
	rounds := b.count(11, 2)
	all, err := measure.Interleave(ctx, measure.Plan{Rounds: rounds, Ops: 1, Warmup: 1}, sides...)
	if err != nil {
		return section, err
	}
	section.Findings = []measure.Finding{
		startFinding(fmt.Sprintf("start of %d plugins, ours / bare Fx and Gin", few), all[0], all[1], 3.0),
		startFinding(fmt.Sprintf("start of %d plugins / of %d, ours", 2*few, few), all[2], all[0], 2.2),
		startFinding(fmt.Sprintf("start of %d plugins, their %d domains with settings / without", few, few/perPackage), all[3], all[0], 1.1),
	}
	return section, nil
}

func startFinding(name string, a, b measure.Series, limit float64) measure.Finding {
	return measure.Finding{
		Name: name, Ours: a.Format(measure.Nanoseconds), Peer: b.Format(measure.Nanoseconds),
		Value: measure.Ratio(a, b), Limit: measure.AtMost(limit),
	}
}

// program is one generated application.
type program struct {
	kind    string
	plugins int
}

func (p program) name() string { return fmt.Sprintf("start-%s-%d", p.kind, p.plugins) }

func (p program) side(ctx context.Context, b *bench) (measure.Side, error) {
	dir, err := b.folder(p.name())
	if err != nil {
		return measure.Side{}, err
	}
	if err := p.generate(b, dir); err != nil {
		return measure.Side{}, err
	}
	binary, err := b.build(ctx, dir, ".", p.name())
	if err != nil {
		return measure.Side{}, err
	}
	return measure.Side{Name: p.name(), Run: func(ctx context.Context, n int) (time.Duration, error) {
		var sum time.Duration
		for range n {
			took, err := startOnce(ctx, b, binary)
			if err != nil {
				return 0, err
			}
			sum += took
		}
		return sum, nil
	}}, nil
}

// startOnce runs a generated program, which prints the nanoseconds its start took and ends.
func startOnce(ctx context.Context, b *bench, binary string) (time.Duration, error) {
	dir, err := b.folder("run")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APP_DATABASE_URL=sqlite:"+filepath.Join(dir, "start.db"), "APP_HTTP_ADDR=127.0.0.1:0", "APP_OPS_ADDR=off", "APP_LOG_LEVEL=error")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("run %s: %w\n%s", filepath.Base(binary), err, complaints.String())
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read start time of %s: %w", filepath.Base(binary), err)
	}
	return time.Duration(ns), nil
}

var ownModule = regexp.MustCompile(`(?m)^module .*$`)

// generate writes the program as a module into dir. It is called "a", so that the package that takes the
// first time is initialised before all that can be.
func (p program) generate(b *bench, dir string) error {
	own, err := os.ReadFile("go.mod")
	if err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	mod := ownModule.ReplaceAllString(string(own), "module a")
	mod = strings.Replace(mod, "=> ../..", "=> "+b.root, 1)
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return fmt.Errorf("read go.sum: %w", err)
	}
	packages := p.plugins / perPackage
	files := map[string]string{"go.mod": mod, "go.sum": string(sums), "a/a.go": clockFile, "main.go": p.mainFile(packages)}
	for i := range packages {
		files[fmt.Sprintf("d%03d/d.go", i)] = p.packageFile(i)
	}
	return writeFiles(dir, files)
}

func writeFiles(dir string, files map[string]string) error {
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func (p program) mainFile(packages int) string {
	var imports, modules strings.Builder
	for i := range packages {
		fmt.Fprintf(&imports, "\t\"a/d%03d\"\n", i)
		fmt.Fprintf(&modules, "\td%03d.Domain,\n", i)
	}
	file := oursMainFile
	if p.kind == "bare" {
		file = bareMainFile
	}
	return strings.NewReplacer("//IMPORTS", imports.String(), "//MODULES", modules.String(), "_HOST_", path.Dir(contract())).Replace(file)
}

func (p program) packageFile(i int) string {
	header, plugin, footer := oursHeader, oursPlugin, "var Domain = app.Domain(\"d%03d\",\n"
	switch p.kind {
	case "bare":
		header, plugin, footer = bareHeader, barePlugin, "var Domain = fx.Module(\"d%03d\",\n"
	case "settings":
		header = ownSettings.Replace(header) + settingsType
		plugin, footer = ownSettings.Replace(plugin), ownSettings.Replace(footer)
	}
	var out, list strings.Builder
	fmt.Fprintf(&out, "package d%03d\n\n%s", i, strings.ReplaceAll(header, "_HOST_", path.Dir(contract())))
	for n := range perPackage {
		out.WriteString(strings.NewReplacer("_D_", fmt.Sprintf("d%03d", i), "_N_", strconv.Itoa(n)).Replace(plugin))
		fmt.Fprintf(&list, "\tPlugin%d,\n", n)
	}
	fmt.Fprintf(&out, footer, i)
	out.WriteString(list.String() + ")\n")
	return out.String()
}

// readLine returns the first line of r for which pick reports true, within the time ctx leaves; for programs
// that announce themselves.
func readLine(ctx context.Context, r io.Reader, pick func(string) bool) (string, error) {
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if pick(lines.Text()) {
				found <- lines.Text()
				break
			}
		}
		_, _ = io.Copy(io.Discard, r)
	}()
	select {
	case line, ok := <-found:
		if !ok {
			return "", errors.New("read line: the program ended without it")
		}
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("read line: %w", ctx.Err())
	}
}

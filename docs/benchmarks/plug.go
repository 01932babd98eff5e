package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"plugboard/docs/benchmarks/measure"
)

// perDomain is how many plugins one scaffolded domain holds.
const perDomain = 20

// scaffolded is a copy of the project with plugins that plug made in it.
type scaffolded struct {
	plugins    int
	dir        string
	docs, lint measure.Series // nanoseconds, a figure each round
}

// comparePlug measures what generating the documentation and holding the rules cost over many plugins, and that the
// cost grows no faster than they do.
func comparePlug(ctx context.Context, b *bench) (measure.Section, error) {
	most := b.count(200, perDomain)
	section := measure.Section{
		Title: fmt.Sprintf("Tools over %d plugins", most),
		Config: []string{
			fmt.Sprintf("Copies of the project in a temporary folder with %d, %d and %d plugins more, made by `plug new`: of four, two serve an endpoint, one computes, one listens to an event; %d to a domain.", most/4, most/2, most, perDomain),
			"Each round changes every one of these plugins, builds the service, and then takes the time of `make docs` and, behind it, of `go tool plug lint`, each once and from its start to its end. Of three rounds the best counts, since other work on the machine can only add.",
			"Load of the machine before: " + loadAverage() + ".",
		},
	}
	projects := []*scaffolded{{plugins: most / 4}, {plugins: most / 2}, {plugins: most}}
	for _, p := range projects {
		if err := p.make(ctx, b); err != nil {
			return section, err
		}
	}
	for round := range b.count(3, 1) {
		for _, p := range projects {
			b.say("  round %d of %d plugins", round+1, p.plugins)
			if err := p.round(ctx, round); err != nil {
				return section, err
			}
		}
	}
	section.Config = append(section.Config, "Load of the machine behind: "+loadAverage()+".")
	section.Findings = toolFindings(projects)
	return section, nil
}

func toolFindings(projects []*scaffolded) []measure.Finding {
	quarter, half, all := projects[0], projects[1], projects[2]
	var findings []measure.Finding
	for _, tool := range []struct {
		name  string
		limit float64 // seconds
		of    func(*scaffolded) measure.Series
	}{
		{"make docs", 15, func(p *scaffolded) measure.Series { return p.docs }},
		{"plug lint", 20, func(p *scaffolded) measure.Series { return p.lint }},
	} {
		best := func(p *scaffolded) measure.Series { return measure.Series{slices.Min(tool.of(p))} }
		findings = append(findings,
			measure.Finding{
				Name: fmt.Sprintf("`%s`, %d plugins", tool.name, all.plugins), Ours: tool.of(all).Format(measure.Nanoseconds),
				Value: best(all), Figure: measure.Nanoseconds, Limit: measure.AtMost(tool.limit * 1e9),
			},
			measure.Finding{
				Name: fmt.Sprintf("`%s`, %d plugins / %d", tool.name, all.plugins, half.plugins),
				Ours: measure.Nanoseconds(best(all)[0]), Peer: measure.Nanoseconds(best(half)[0]),
				Value: measure.Ratio(best(all), best(half)), Limit: measure.AtMost(2.2),
			},
			measure.Finding{
				Name: fmt.Sprintf("`%s`, %d plugins / %d", tool.name, half.plugins, quarter.plugins),
				Ours: measure.Nanoseconds(best(half)[0]), Peer: measure.Nanoseconds(best(quarter)[0]),
				Value: measure.Ratio(best(half), best(quarter)), Limit: measure.AtMost(2.2),
			},
		)
	}
	return findings
}

// make copies the project and makes the plugins in the copy.
func (p *scaffolded) make(ctx context.Context, b *bench) error {
	b.say("  making %d plugins", p.plugins)
	dir, err := b.folder("plugins-" + strconv.Itoa(p.plugins))
	if err != nil {
		return err
	}
	p.dir = dir
	if err := os.CopyFS(dir, sources{os.DirFS(b.root)}); err != nil {
		return fmt.Errorf("copy project: %w", err)
	}
	tool, err := p.run(ctx, "go", "tool", "-n", "plug")
	if err != nil {
		return err
	}
	for i := range p.plugins {
		name := fmt.Sprintf("feature%c/do_task_%d", 'a'+i/perDomain, i)
		kind := [][]string{{}, {"--kind", "cpu"}, {"--method", "PUT"}, {"--kind", "subscriber", "--topic", "product.created"}}[i%4]
		if _, err := p.run(ctx, strings.TrimSpace(tool), slices.Concat([]string{"new", "--no-docs", name}, kind)...); err != nil {
			return err
		}
	}
	return nil
}

// round changes every plugin, so that neither tool finds what it has done already, and measures.
func (p *scaffolded) round(ctx context.Context, number int) error {
	files, err := filepath.Glob(filepath.Join(p.dir, "domains", "feature*", "plugins", "do_task_*[0-9].go"))
	if err != nil {
		return fmt.Errorf("find plugins: %w", err)
	}
	for _, name := range files {
		if err := appendTo(name, fmt.Sprintf("\n// Round %d.\n", number)); err != nil {
			return fmt.Errorf("change plugin: %w", err)
		}
	}
	if _, err := p.run(ctx, "go", "build", "-o", "service", "."); err != nil {
		return err
	}
	docs, err := p.timed(ctx, "make", "docs")
	if err != nil {
		return err
	}
	lint, err := p.timed(ctx, "go", "tool", "plug", "lint", "./...")
	p.docs, p.lint = append(p.docs, docs), append(p.lint, lint)
	return err
}

func appendTo(name, text string) error {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	return file.Close()
}

func (p *scaffolded) timed(ctx context.Context, name string, args ...string) (ns float64, err error) {
	begin := time.Now()
	_, err = p.run(ctx, name, args...)
	return float64(time.Since(begin).Nanoseconds()), err
}

func (p *scaffolded) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = p.dir
	// What the make that runs the benchmarks tells its children is not for this one.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") }), "GOWORK=off")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w\n%s%s", name, strings.Join(args, " "), err, output, complaints.String())
	}
	return string(output), nil
}

// sources are the project's files without what was built and without this module.
type sources struct{ fs.FS }

// ReadDir implements fs.ReadDirFS.
func (s sources) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		path := filepath.ToSlash(filepath.Join(name, e.Name()))
		return slices.Contains([]string{".git", ".cache", "bin", "data", "docs/benchmarks"}, path) || !e.IsDir() && !e.Type().IsRegular()
	}), err
}

// loadAverage is how many processes wanted to run, over the last one, five and fifteen minutes.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}

package main

import (
	"context"
	_ "embed" // the sabotage package
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// patch replaces a text that occurs exactly once in the sources of the package in folder.
type patch struct{ folder, old, new string }

// sabotageSource is the package that patched code calls.
//
//go:embed overlay/sabotage.go.txt
var sabotageSource string

// patches put the crash points and the mistakes into the sources. Each names what it stands for; without the
// environment variable that asks for it, the patched code does what the original does.
func patches() []patch { //nolint:funlen // a list
	const bus, database = "infra/eventbus", "infra/database"
	return []patch{
		{"app/apptest/crash/service/probe",
			"\tevent := Written{",
			"\tsabotage.Point(\"after row\")\n\tevent := Written{"},
		{"app/apptest/crash/service/probe",
			"\t\treturn app.Permanent(errors.New(\"poisoned on purpose\"))\n",
			"\t\tif sabotage.Mutant(\"poison ends the process\") {\n\t\t\tsabotage.Die()\n\t\t}\n\t\treturn app.Permanent(errors.New(\"poisoned on purpose\"))\n"},
		{bus,
			"\t\t\treturn fmt.Errorf(\"store event %s: %w\", e.m.Topic, err)\n\t\t}\n",
			"\t\t\treturn fmt.Errorf(\"store event %s: %w\", e.m.Topic, err)\n\t\t}\n\t\tsabotage.Point(\"after outbox row\")\n"},
		{bus,
			"func (b *batch) hand() {\n",
			"func (b *batch) hand() {\n\tsabotage.Point(\"after commit\")\n"},
		{bus,
			"\t\treturn nil, full, fmt.Errorf(\"claim events: %w\", err)\n\t}\n",
			"\t\treturn nil, full, fmt.Errorf(\"claim events: %w\", err)\n\t}\n\tif len(got) > 0 {\n\t\tsabotage.Point(\"after claim\")\n\t}\n"},
		{bus,
			"\terr = w.call(d, at)\n",
			"\terr = w.call(d, at)\n\tsabotage.Point(\"after effect\")\n"},
		{bus,
			"\tdone := l.together(w.context(int64(w.start)), batch)\n",
			"\tdone := l.together(w.context(int64(w.start)), batch)\n\tsabotage.Point(\"after effect\")\n"},
		{bus,
			"\t\t\tn, err := o.store.completeAll(ctx, open)\n",
			"\t\t\tsabotage.Point(\"after transactional effect\")\n\t\t\tn, err := o.store.completeAll(ctx, open)\n"},
		{bus,
			"\treturn o.complete(ctx, d)\n",
			"\tsabotage.Point(\"after transactional effect\")\n\treturn o.complete(ctx, d)\n"},
		{bus,
			"\t\tif err := s.relax(ctx, ops); err != nil {\n",
			"\t\tif len(ops) > 0 {\n\t\t\tsabotage.Point(\"before completion\")\n\t\t}\n\t\tif err := s.relax(ctx, ops); err != nil {\n"},
		{bus,
			"\ts.settleTx(ctx, ran, err)\n",
			"\tif len(ops)+len(ran) > 0 {\n\t\tsabotage.Point(\"after completion\")\n\t}\n\ts.settleTx(ctx, ran, err)\n"},
		{bus,
			"\treturn o.announce(ctx, p)\n",
			"\tsabotage.Point(\"during dead-lettering\")\n\treturn o.announce(ctx, p)\n"},
		{bus,
			"if err := a.record(ctx, action, d.EventID",
			"sabotage.Point(\"during replay\")\n\t\tif err := a.record(ctx, action, d.EventID"},

		{bus,
			"\ttx.BeforeCommit(func(ctx context.Context) error { return o.collect(ctx, m) })\n",
			`	if sabotage.Mutant("publish after commit") && ctx.Value(late{}) == nil {
		tx.AfterCommit(func() {
			go func() {
				ctx, cancel := context.WithCancel(context.WithValue(context.Background(), late{}, true))
				defer cancel()
				sabotage.Point("before late publish")
				_ = o.Publish(ctx, m)
			}()
		})
		return nil
	}
	tx.BeforeCommit(func(ctx context.Context) error { return o.collect(ctx, m) })
`},
		{bus,
			"func containsNUL(",
			"type late struct{}\n\nfunc containsNUL("},
		{bus,
			"\tn, err := s.exec(ctx, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND token = ?`,\n",
			"\tif sabotage.Mutant(\"no fencing\") {\n\t\t_, err := s.exec(ctx, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ?`, d.ID(), d.Subscription())\n\t\treturn true, err\n\t}\n" +
				"\tn, err := s.exec(ctx, `DELETE FROM bus_deliveries WHERE event_id = ? AND subscription = ? AND token = ?`,\n"},
		{bus,
			"(n int64, err error) {\n\tif !s.postgres {\n\t\tfor _, d := range deliveries {\n",
			`(n int64, err error) {
	if sabotage.Mutant("no fencing") {
		for _, d := range deliveries {
			if _, err := s.complete(ctx, d); err != nil {
				return 0, err
			}
		}
		return int64(len(deliveries)), nil
	}
	if !s.postgres {
		for _, d := range deliveries {
`},
		{database,
			"\treturn tx.commit()\n",
			`	if early {
		handed = true
		go func() {
			time.Sleep(100 * time.Millisecond) // time for the answer to reach the client
			sabotage.Point("before late commit")
			_ = tx.commit()
		}()
		return nil
	}
	return tx.commit()
`},
		{database,
			"\ttx, err := db.beginShared(ctx, alone)\n",
			`	early, handed := sabotage.Mutant("ack before commit") && app.PluginName(ctx) == "probe.store_write", false
	if early {
		ctx, alone = context.WithoutCancel(ctx), true
	}
	tx, err := db.beginShared(ctx, alone)
`},
		{database,
			"\tdefer func() { _ = tx.rollback() }() //",
			"\tdefer func() {\n\t\tif !handed {\n\t\t\t_ = tx.rollback()\n\t\t}\n\t}() //"},
		{database, `"synchronous(full)",`, `"synchronous(" + sabotage.Pick("synchronous off", "off", "full") + ")",`},
		{database, `"synchronous":  "2",`, `"synchronous":  sabotage.Pick("synchronous off", "0", "2"),`},
	}
}

// builder builds binaries from the repository at root into folder.
type builder struct{ root, folder string }

// newBuilder returns a builder into folder for the repository that the working directory is in.
func newBuilder(ctx context.Context, folder string) (*builder, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return nil, errors.New("find the repository: the working directory is in no Go module; run it from the repository")
	}
	return &builder{root: filepath.Dir(file), folder: folder}, nil
}

// servicePackage is the harness service's.
const servicePackage = "./app/apptest/crash/service"

// released builds the product, service the harness service, sabotaged the latter with crash points and mistakes.
func (b *builder) released(ctx context.Context) (string, error) {
	return b.build(ctx, "plugboard", ".", "")
}
func (b *builder) service(ctx context.Context) (string, error) {
	return b.build(ctx, "service", servicePackage, "")
}

func (b *builder) sabotaged(ctx context.Context) (string, error) {
	file, err := b.overlay(patches())
	if err != nil {
		return "", err
	}
	return b.build(ctx, "sabotaged", servicePackage, file)
}

func (b *builder) build(ctx context.Context, name, pkg, overlay string) (string, error) {
	binary := filepath.Join(b.folder, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay, "-o", binary, pkg) //nolint:gosec // fixed words
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return binary, nil
}

// overlay writes patched copies of the sources, and the file that has a build use them.
func (b *builder) overlay(patches []patch) (string, error) {
	module, err := b.module()
	if err != nil {
		return "", err
	}
	sources, patched := make(map[string]string), make(map[string]string)
	var problems []error
	for _, p := range patches {
		if err := b.read(p.folder, sources); err != nil {
			return "", err
		}
		file, err := p.find(sources)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		sources[file] = strings.Replace(sources[file], p.old, p.new, 1)
		patched[file] = sources[file]
	}
	if err := errors.Join(problems...); err != nil {
		return "", err
	}
	for file, text := range patched {
		if strings.Contains(text, "sabotage.") {
			patched[file] = strings.Replace(text, "import (\n", "import (\n\t\""+module+"/infra/sabotage\"\n", 1)
		}
	}
	patched["infra/sabotage/sabotage.go"] = sabotageSource
	return b.write(patched)
}

// read adds the sources of the package in folder, unless they are there.
func (b *builder) read(folder string, sources map[string]string) error {
	names, err := filepath.Glob(filepath.Join(b.root, folder, "*.go"))
	if err != nil {
		return fmt.Errorf("list sources: %w", err)
	}
	for _, name := range names {
		key := folder + "/" + filepath.Base(name)
		if _, ok := sources[key]; ok || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name) //nolint:gosec // of the repository
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		sources[key] = string(text)
	}
	return nil
}

// find returns the file that has the text.
func (p patch) find(sources map[string]string) (file string, err error) {
	n := 0
	for name, text := range sources {
		if found := strings.Count(text, p.old); path.Dir(name) == p.folder && found > 0 {
			n += found
			file = name
		}
	}
	if n != 1 {
		return "", fmt.Errorf("%s has this %d times, and a crash point needs it once; mend the patches: %s", p.folder, n, p.old)
	}
	return file, nil
}

// write writes sources under the folder and returns the name of the overlay file.
func (b *builder) write(sources map[string]string) (string, error) {
	replace := make(map[string]string, len(sources))
	for name, text := range sources {
		file := filepath.Join(b.folder, "overlay", strings.ReplaceAll(name, "/", "_"))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
		replace[filepath.Join(b.root, name)] = file
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	file := filepath.Join(b.folder, "overlay.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return file, nil
}

// module reads the module's path from go.mod.
func (b *builder) module() (string, error) {
	text, err := os.ReadFile(filepath.Join(b.root, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimPrefix(first, "module ")), nil
}

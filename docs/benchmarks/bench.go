package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"

	"plugboard/app"
	"plugboard/docs/benchmarks/measure"
)

// bench is what the comparisons have in common.
type bench struct {
	quick bool
	// root is the folder of the service's module.
	root string
	// dir is a temporary folder that goes when the program ends.
	dir string
	// service builds the service's binary, once, and returns its path.
	service func() (string, error)
}

func newBench(quick bool) (*bench, error) {
	root, err := moduleDir()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "plugboard-bench-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	b := &bench{quick: quick, root: root, dir: dir}
	b.service = sync.OnceValues(func() (string, error) {
		return b.build(context.Background(), b.root, ".", "plugboard")
	})
	return b, nil
}

func (b *bench) close() {
	if err := os.RemoveAll(b.dir); err != nil {
		b.say("remove %s: %v", b.dir, err)
	}
}

// say reports progress on standard error.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// plan returns full, or a small part of it in a quick run.
func (b *bench) plan(full measure.Plan) measure.Plan {
	if !b.quick {
		return full
	}
	return measure.Plan{Rounds: 2, Ops: max(full.Ops/50, 1), Warmup: full.Warmup / 50}
}

// count returns full, or a hundredth of it, at least least, in a quick run.
func (b *bench) count(full, least int) int {
	if !b.quick {
		return full
	}
	return max(full/100, least)
}

// folder makes a new folder for one contestant's files.
func (b *bench) folder(name string) (string, error) {
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return dir, nil
}

// build compiles a command of the module in dir as it is released: static, without paths and symbols, and without Gin's MessagePack.
func (b *bench) build(ctx context.Context, dir, pkg, name string) (string, error) {
	b.say("  building %s", name)
	file := filepath.Join(b.dir, "bin", name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w", "-o", file, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, bytes.TrimSpace(out))
	}
	return file, nil
}

// contract is the import path of the service's package app, whatever its module is called.
func contract() string { return reflect.TypeFor[app.Boot]().PkgPath() }

func moduleDir() (string, error) {
	out, err := exec.Command("go", "list", "-f", "{{.Module.Dir}}", contract()).Output()
	if err != nil {
		return "", fmt.Errorf("find the service's module (run this from docs/benchmarks): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

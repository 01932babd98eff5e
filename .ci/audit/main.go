// Command audit writes the list of the modules that a Go binary was built from, as a software bill of materials in
// CycloneDX's JSON, with the licences that their files in the module cache name. Call it as make audit does.
package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: audit <binary> <file.cdx.json>, in the folder of the binary's module")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

// The parts of CycloneDX 1.6 that are used.
type (
	bom struct {
		Format     string      `json:"bomFormat"`
		Spec       string      `json:"specVersion"`
		Version    int         `json:"version"`
		Metadata   metadata    `json:"metadata"`
		Components []component `json:"components"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Licenses   []choice   `json:"licenses,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	choice struct {
		License license `json:"license"`
	}
	license struct {
		ID string `json:"id"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

func run(ctx context.Context, binary, file string, out io.Writer) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read the build information: %w", err)
	}
	folders, err := moduleFolders(ctx)
	if err != nil {
		return err
	}
	list := describe(info, folders)
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	summarise(out, list, file)
	return nil
}

// moduleFolders returns where the module cache has each module, by path@version.
func moduleFolders(ctx context.Context) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-json", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w", err)
	}
	folders := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var module struct {
			Path, Version, Dir string
			Replace            *struct{ Path, Version string }
		}
		switch err := decoder.Decode(&module); {
		case errors.Is(err, io.EOF):
			return folders, nil
		case err != nil:
			return nil, fmt.Errorf("list the modules: %w", err)
		}
		if module.Replace != nil {
			module.Path, module.Version = module.Replace.Path, module.Replace.Version
		}
		folders[module.Path+"@"+module.Version] = module.Dir
	}
}

func describe(info *debug.BuildInfo, folders map[string]string) bom {
	list := bom{Format: "CycloneDX", Spec: "1.6", Version: 1}
	list.Metadata.Component = component{Type: "application", Ref: info.Main.Path, Name: info.Main.Path, Version: info.Main.Version}
	list.Components = []component{{Type: "library", Ref: "std", Name: "std", Version: info.GoVersion, Licenses: []choice{{license{"BSD-3-Clause"}}}}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		c := component{Type: "library", Name: module.Path, Version: module.Version, PURL: "pkg:golang/" + module.Path + "@" + module.Version}
		c.Ref = c.PURL
		for _, id := range licencesIn(folders[module.Path+"@"+module.Version]) {
			c.Licenses = append(c.Licenses, choice{license{id}})
		}
		if module.Sum != "" {
			c.Properties = []property{{"go:sum", module.Sum}}
		}
		list.Components = append(list.Components, c)
	}
	return list
}

// licenceFile matches the names of files that hold a licence.
var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([-.].*)?$`)

// licencesIn returns the SPDX ids of the licences in the files of a module's folder, as far as they are known.
func licencesIn(folder string) []string {
	entries, err := os.ReadDir(cmp.Or(folder, os.DevNull))
	if err != nil {
		return nil // it is not in the cache
	}
	var ids []string
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		if text, err := os.ReadFile(filepath.Join(folder, entry.Name())); err == nil {
			ids = append(ids, recognise(string(text))...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// phrases are what a licence's text is known by, in small letters and with single spaces.
var phrases = []struct{ id, has, lacks string }{
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files", ""},
	{"Apache-2.0", "apache license version 2.0, january 2004", ""},
	{"BSD-3-Clause", "endorse or promote products derived from this software without specific prior written permission", "advertising materials mentioning"},
	{"BSD-2-Clause", "redistribution and use in source and binary forms", "endorse or promote products"},
	{"MPL-2.0", "mozilla public license version 2.0", ""},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee", ""},
	{"Unlicense", "this is free and unencumbered software released into the public domain", ""},
	{"CC0-1.0", "cc0 1.0 universal", ""},
	{"AGPL-3.0-only", "gnu affero general public license version 3", ""},
	{"LGPL-3.0-only", "gnu lesser general public license version 3", ""},
	{"GPL-3.0-only", "gnu general public license version 3", ""},
	{"GPL-2.0-only", "gnu general public license version 2", ""},
}

func recognise(text string) (ids []string) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, p := range phrases {
		if strings.Contains(text, p.has) && (p.lacks == "" || !strings.Contains(text, p.lacks)) {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// summarise prints how many modules have each licence, and those whose licence is not known.
func summarise(out io.Writer, list bom, file string) {
	modules := map[string][]string{}
	for _, c := range list.Components {
		var ids []string
		for _, l := range c.Licenses {
			ids = append(ids, l.License.ID)
		}
		key := strings.Join(ids, " and ")
		modules[key] = append(modules[key], c.Name)
	}
	fmt.Fprintf(out, "%s lists %d modules:\n", file, len(list.Components))
	keys := make([]string, 0, len(modules))
	for key := range modules {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if key != "" {
			fmt.Fprintf(out, "%5d  %s\n", len(modules[key]), key)
		}
	}
	if unknown := modules[""]; len(unknown) > 0 {
		fmt.Fprintf(out, "%5d  of a licence that was not recognised: %s\n", len(unknown), strings.Join(unknown, ", "))
	}
}

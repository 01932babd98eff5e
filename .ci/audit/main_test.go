package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestLicences(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Permission is hereby granted, free of charge, to any person\n  obtaining a copy of this software and associated documentation files": "MIT",
		"Apache License\n   Version 2.0, January 2004":                       "Apache-2.0",
		"Redistribution and use in source and binary forms, with or without": "BSD-2-Clause",
		"Redistribution and use in source and binary forms\nendorse or promote products derived from\nthis software without specific prior written permission": "BSD-3-Clause",
		"GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3": "LGPL-3.0-only",
		"All rights reserved.":                         "",
	} {
		if got := strings.Join(recognise(text), ","); got != want {
			t.Errorf("%q is %q instead of %q", text, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{"LICENSE.md": "Mozilla Public License Version 2.0", "license_test.go": "cc0 1.0 universal"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	info := &debug.BuildInfo{GoVersion: "go1.x", Main: debug.Module{Path: "site", Version: "v1.0.0"}, Deps: []*debug.Module{
		{Path: "a.example/old", Version: "v1.0.0", Replace: &debug.Module{Path: "a.example/new", Version: "v2.0.0", Sum: "h1:x"}},
		{Path: "b.example/unknown", Version: "v0.1.0"},
	}}
	list := describe(info, map[string]string{"a.example/new@v2.0.0": folder})
	got, err := json.Marshal(list.Components[1:])
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"type":"library","bom-ref":"pkg:golang/a.example/new@v2.0.0","name":"a.example/new","version":"v2.0.0",` +
		`"purl":"pkg:golang/a.example/new@v2.0.0","licenses":[{"license":{"id":"MPL-2.0"}}],"properties":[{"name":"go:sum","value":"h1:x"}]},` +
		`{"type":"library","bom-ref":"pkg:golang/b.example/unknown@v0.1.0","name":"b.example/unknown","version":"v0.1.0","purl":"pkg:golang/b.example/unknown@v0.1.0"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var out strings.Builder
	summarise(&out, list, "x.json")
	if !strings.Contains(out.String(), "1  of a licence that was not recognised: b.example/unknown") {
		t.Error(out.String())
	}
}

// Package scaffold makes new plugins or domains from templates.
//
// It also renames the module, for teams that make the project theirs. Nothing is written when a part of the change is
// impossible: the error says what to do first.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/jinzhu/inflection"
	"gorm.io/gorm/schema"

	"plugboard/app/plug/lint"
)

//go:embed templates/*.tmpl
var templates embed.FS

// Site is the module that plugins are made in.
type Site struct {
	// Dir is the module's root.
	Dir string
	// Contract is the import path of the host's package app. The host is this module, or one that it requires.
	Contract string
	// Host is the folder of the host's module, whose migrations make tables too.
	Host string
}

// Plugin describes the plugin to make.
type Plugin struct {
	// Domain and Name give the plugin's name, "<domain>.<name>", and its file.
	Domain, Name string
	// Kind is the name of one of [Kinds].
	Kind string
	// Method and Path are those of requests; "" means GET for lists and names such as list_x and get_x and POST for others,
	// at /<domain>/<name>. Path is in Gin's form. Other kinds have none.
	Method, Path string
	// Topic is what a subscriber hears or a responder answers. Required for subscribers; "" means the plugin's name for
	// responders. Other kinds have none.
	Topic string
	// Access says who may call what answers requests: "public" or "signed_in". "" is signed_in in a service with sign-ins whose domain
	// does not say it, and nothing elsewhere. Other kinds have none.
	Access string
	// Ahead allows a subscriber to a topic that nobody publishes yet.
	Ahead bool
}

// New makes a plugin and its test, adds it to its domain's list, and makes the domain where there is none. It returns the
// files it wrote, sorted. Nothing is written unless everything can be, and no file is overwritten.
func New(site Site, p Plugin) ([]string, error) {
	t := tree{dir: site.Dir, host: site.Host, contract: site.Contract, made: map[string]string{}, changed: map[string]string{}}
	v, err := t.values(p)
	if err != nil {
		return nil, err
	}
	folder := "domains/" + p.Domain
	if !t.exists(folder) {
		if err := t.makeDomain(folder, v); err != nil {
			return nil, err
		}
	} else if err := t.list(folder+"/"+p.Domain+".go", v.Go); err != nil {
		return nil, err
	} else if v.Named {
		if err := t.addNameIndex(v); err != nil {
			return nil, err
		}
	}
	t.render(folder+"/plugins/"+p.Name+".go", p.Kind+".go.tmpl", v)
	t.render(folder+"/plugins/"+p.Name+"_test.go", p.Kind+"_test.go.tmpl", v)
	return t.write()
}

// values are the values for the templates.
type values struct {
	Plugin

	Module        string // the module's path
	Contract      string // the import path of package app
	Go            string // "ArchiveProduct"
	Words         string // "archive product"
	Sentence      string // "handles archive product"
	Tag           string // "Products"
	Route         string // the path as people read it: "/products/{id}"
	Called        string // the path as the test calls it
	Body          bool
	MethodName    string // "Get" for GET, as net/http has it
	Params        []param
	Fields        []eventField
	Entity, Table string
	Named         bool // of a list: the entity has a name to sort by
	// Rule is the access rule as an option behind others, "" for none; SignedIn says that the test needs somebody who calls.
	Rule     string
	SignedIn bool
}

// param is a parameter of the path.
type param struct{ Go, Name string }

var (
	domainName = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	pathParam  = regexp.MustCompile(`:(\w+)`)
	pathForm   = regexp.MustCompile(`^(/(:[a-z][a-z0-9_]*|[A-Za-z0-9._~-]+))+$`)
	modulePath = regexp.MustCompile(`(?m)^module\s+(\S+)\s*$`)
)

func (t *tree) values(p Plugin) (values, error) {
	mod, err := t.read("go.mod")
	if err != nil {
		return values{}, err
	}
	m := modulePath.FindStringSubmatch(mod)
	if m == nil {
		return values{}, errors.New("read module path: go.mod names no module")
	}
	t.module = m[1]
	problems := needless(p)
	p = p.complete()
	if slices.Contains(served, p.Kind) && p.Access == "" {
		p.Access = t.access(p.Domain)
	}
	words := strings.ReplaceAll(p.Name, "_", " ")
	v := values{
		Plugin: p, Module: t.module, Contract: t.contract,
		Go: lint.Exported(p.Name), Words: words, Sentence: "handles " + words, Tag: lint.Exported(p.Domain),
		Route: pathParam.ReplaceAllString(p.Path, "{$1}"), Called: pathParam.ReplaceAllString(p.Path, "1"),
		Body: p.Method != http.MethodGet && p.Method != http.MethodDelete, MethodName: lint.Exported(strings.ToLower(p.Method)),
	}
	if rule := rules[p.Access]; rule != "" {
		v.Rule, v.SignedIn = ", "+rule, p.Access == signedIn
	}
	for _, m := range pathParam.FindAllStringSubmatch(p.Path, -1) {
		v.Params = append(v.Params, param{Go: fieldName(m[1]), Name: m[1]})
	}
	v.Entity = lint.Exported(singular(p.Domain))
	v.Table = schema.NamingStrategy{}.TableName(v.Entity)
	if err := errors.Join(append(problems, t.check(v))...); err != nil {
		return values{}, err
	}
	v.Named = p.Kind == listKind && t.hasNames(v)
	if p.Kind == subscriberKind {
		v.Fields, err = t.event(p)
	}
	return v, err
}

// complete fills in what follows from the plugin's name.
func (p Plugin) complete() Plugin {
	if slices.Contains(served, p.Kind) && p.Path == "" {
		p.Path = "/" + p.Domain + "/" + strings.ReplaceAll(p.Name, "_", "-")
	}
	if slices.Contains(served, p.Kind) && p.Method == "" {
		p.Method = methodOf(p)
	}
	if p.Kind == responderKind && p.Topic == "" {
		p.Topic = p.Domain + "." + p.Name
	}
	return p
}

// singular returns the domain's name as that of one entity, by the rules by which GORM makes the table's name of it.
func singular(domain string) string {
	if one := inflection.Singular(domain); one != "" {
		return one
	}
	return domain
}

// fieldName returns the Go name of a path parameter: ID for id.
func fieldName(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words {
		if w == "id" {
			words[i] = "ID"
			continue
		}
		words[i] = lint.Exported(w)
	}
	return strings.Join(words, "")
}

// methodOf returns GET for lists and for names that read, and POST for others.
func methodOf(p Plugin) string {
	verb, _, _ := strings.Cut(p.Name, "_")
	if p.Kind == listKind || slices.Contains([]string{"get", "list", "find", "search", "count", "show"}, verb) {
		return http.MethodGet
	}
	return http.MethodPost
}

// tree is the module while it is changed in memory.
type tree struct {
	dir      string
	host     string // the folder of the host's module
	module   string // the module's path
	contract string // the import path of package app

	made    map[string]string // new files
	changed map[string]string // files that were there
	problem error

	verbatim bool // the files are as they are to be; others are formatted when they are written
}

func (t *tree) path(name string) string { return filepath.Join(t.dir, filepath.FromSlash(name)) }

func (t *tree) exists(name string) bool {
	_, err := os.Stat(t.path(name))
	return err == nil
}

func (t *tree) read(name string) (string, error) {
	if text, ok := t.changed[name]; ok {
		return text, nil
	}
	text, err := os.ReadFile(t.path(name))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, errors.Unwrap(err))
	}
	return string(text), nil
}

// render makes a file from a template; its problems are found by write.
func (t *tree) render(name, from string, v values) {
	var text bytes.Buffer
	parsed, err := template.ParseFS(templates, "templates/"+from)
	if err == nil {
		err = parsed.Execute(&text, v)
	}
	if err != nil {
		t.problem = errors.Join(t.problem, fmt.Errorf("fill in %s: %w", from, err))
		return
	}
	made := text.String()
	if path.Ext(name) == ".go" {
		if made, err = grouped(made, v.Module, strings.TrimSuffix(v.Contract, "/app")); err != nil {
			t.problem = errors.Join(t.problem, fmt.Errorf("fill in %s: %w", from, err))
		}
	}
	t.made[name] = made
}

// write stores everything, or nothing when something is in the way.
func (t *tree) write() ([]string, error) {
	problems := []error{t.problem}
	for name := range t.made {
		if t.exists(name) {
			problems = append(problems, fmt.Errorf("%s is there already; take another name, or remove the file first", name))
		}
	}
	all := maps.Clone(t.made)
	maps.Copy(all, t.changed)
	for name, text := range all {
		if path.Ext(name) == ".go" && !t.verbatim {
			formatted, err := format.Source([]byte(text))
			if err != nil {
				problems = append(problems, fmt.Errorf("format %s: %w", name, err))
			}
			all[name] = string(formatted)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(all))
	// New files come first: a program that watches the folder then finds what the others name.
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(t.made)), slices.Sorted(maps.Keys(t.changed))) {
		if err := t.store(name, all[name]); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return names, nil
}

func (t *tree) store(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(t.path(name)), 0o750); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return os.WriteFile(t.path(name), []byte(text), 0o644) //nolint:gosec // for everybody, as other sources; one that is there keeps its mode
}

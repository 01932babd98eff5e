package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// pluginFiles returns the plugin files of all domains.
func pluginFiles(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var found []string
	for _, name := range files(t, tree, ".go") {
		ok, err := path.Match("domains/*/plugins/*.go", name)
		require.NoError(t, err)
		if ok && path.Base(name) != "doc.go" && !strings.HasSuffix(name, "_test.go") {
			found = append(found, name)
		}
	}
	return found
}

// pluginFile is a parsed plugin file and what is wrong with it.
type pluginFile struct {
	name     string // of the file
	domain   string
	feature  string // "create_product"
	exported string // "CreateProduct"
	fset     *token.FileSet
	file     *ast.File
	problems []string
}

func (p *pluginFile) complain(format string, args ...any) {
	p.problems = append(p.problems, p.name+": "+fmt.Sprintf(format, args...))
}

// checkPlugin holds a plugin file against the fixed shape: request, response, events; the plugin; its struct,
// constructor, OnBoot, Execute, helpers; named after the file, listed in its domain, with a test.
func checkPlugin(t *testing.T, tree fs.FS, name string) []string {
	t.Helper()
	p := &pluginFile{name: name, domain: strings.Split(name, "/")[1], feature: strings.TrimSuffix(path.Base(name), ".go")}
	for word := range strings.SplitSeq(p.feature, "_") {
		p.exported += strings.ToUpper(word[:1]) + word[1:]
	}
	p.fset = token.NewFileSet()
	var err error
	p.file, err = parser.ParseFile(p.fset, name, read(t, tree, name), parser.ParseComments)
	require.NoError(t, err)

	p.checkDeclarations()
	domainFile := "domains/" + p.domain + "/" + p.domain + ".go"
	if !strings.Contains(read(t, tree, domainFile), "\tplugins."+p.exported+",\n") {
		p.complain("add plugins.%s to the list in %s", p.exported, domainFile)
	}
	if _, err := fs.Stat(tree, strings.TrimSuffix(name, ".go")+"_test.go"); err != nil {
		p.complain("the plugin has no test; write %s_test.go", p.feature)
	}
	return p.problems
}

// checkDeclarations checks the declarations and their order.
func (p *pluginFile) checkDeclarations() {
	parts := []string{
		"var " + p.exported, "type " + p.exported + "Plugin", "func New" + p.exported + "Plugin",
		"method OnBoot", "method Execute",
	}
	position := map[string]int{}
	for i, decl := range p.file.Decls {
		for _, name := range p.declared(decl) {
			position[name] = i + 1
		}
	}
	last := 0
	for _, part := range parts {
		switch at := position[part]; {
		case at == 0:
			p.complain("%s is missing", part)
		case at < last:
			p.complain("%s stands too early; the order is %s", part, strings.Join(parts, ", "))
		default:
			last = at
		}
	}
	for name, at := range position {
		schema := strings.HasPrefix(name, "type ") && ast.IsExported(name[len("type "):]) && name != parts[1]
		if schema && at > position[parts[0]] {
			p.complain("%s stands below the plugin; requests, responses and events come first", name)
		}
		if strings.HasPrefix(name, "var ") && ast.IsExported(name[len("var "):]) && name != parts[0] {
			p.complain("%s: a plugin file has one exported variable, the plugin", name)
		}
	}
}

// declared returns what a declaration declares, as "type X", "var X", "func X" or, of the plugin's own
// methods, "method X".
func (p *pluginFile) declared(decl ast.Decl) []string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{"func " + d.Name.Name}
		}
		if star, ok := d.Recv.List[0].Type.(*ast.StarExpr); ok && fmt.Sprint(star.X) == p.exported+"Plugin" {
			return []string{"method " + d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, "type "+s.Name.Name)
			case *ast.ValueSpec:
				names = append(names, "var "+s.Names[0].Name)
				p.checkPluginValue(s)
			}
		}
		return names
	}
	return nil
}

// checkPluginValue checks app.Plugin[*XPlugin]("domain.file", NewXPlugin).
func (p *pluginFile) checkPluginValue(spec *ast.ValueSpec) {
	if spec.Names[0].Name != p.exported || len(spec.Values) != 1 {
		return
	}
	want := fmt.Sprintf(`app.Plugin[*%sPlugin]("%s.%s", New%sPlugin)`, p.exported, p.domain, p.feature, p.exported)
	value := spec.Values[0]
	if got := p.source(value); got != want {
		p.complain("the plugin is %s, want %s", got, want)
	}
}

// source prints the forms of expression that a plugin's declaration consists of.
func (p *pluginFile) source(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.CallExpr:
		args := make([]string, len(e.Args))
		for i, arg := range e.Args {
			args[i] = p.source(arg)
		}
		return p.source(e.Fun) + "(" + strings.Join(args, ", ") + ")"
	case *ast.IndexExpr:
		return p.source(e.X) + "[" + p.source(e.Index) + "]"
	case *ast.SelectorExpr:
		return p.source(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return "*" + p.source(e.X)
	case *ast.Ident:
		return e.Name
	case *ast.BasicLit:
		return e.Value
	default:
		return fmt.Sprintf("%T", e)
	}
}

func TestPluginFilesHaveTheShape(t *testing.T) {
	t.Parallel()
	plugins := pluginFiles(t, repository())
	require.NotEmpty(t, plugins)
	for _, name := range plugins {
		require.Empty(t, checkPlugin(t, repository(), name))
	}
}

func TestPluginFilesOutOfShape(t *testing.T) {
	t.Parallel()
	const good = `package plugins

type SendMailRequest struct{}

var SendMail = app.Plugin[*SendMailPlugin]("mail.send_mail", NewSendMailPlugin)

type SendMailPlugin struct{}

func NewSendMailPlugin() *SendMailPlugin { return nil }

func (p *SendMailPlugin) OnBoot(b *app.Boot) {}

func (p *SendMailPlugin) Execute() {}
`
	const onBoot = "func (p *SendMailPlugin) OnBoot(b *app.Boot) {}\n\n"
	const listed = "package mail\n\nvar Module = app.Domain(\"mail\",\n\tplugins.SendMail,\n)\n"
	check := func(source, list string, names ...string) []string {
		tree := fstest.MapFS{
			"domains/mail/mail.go":              {Data: []byte(list)},
			"domains/mail/plugins/send_mail.go": {Data: []byte(source)},
		}
		for _, name := range names {
			tree[name] = &fstest.MapFile{}
		}
		return checkPlugin(t, tree, "domains/mail/plugins/send_mail.go")
	}
	const test = "domains/mail/plugins/send_mail_test.go"
	require.Empty(t, check(good, listed, test))

	require.Len(t, check(good, listed), 1, "no test")
	require.Len(t, check(good, "package mail\n", test), 1, "not listed")
	for what, broken := range map[string]string{
		"another name":        strings.Replace(good, "mail.send_mail", "mail.mail", 1),
		"another constructor": strings.Replace(good, ", NewSendMailPlugin)", ", NewPlugin)", 1),
		"no Execute":          strings.Replace(good, ") Execute()", ") Run()", 1),
		"no constructor":      strings.Replace(good, "func NewSendMailPlugin", "func NewPlugin", 1),
		"a late schema":       good + "\ntype SendMailResponse struct{}\n",
		"a second plugin":     good + "\nvar Other = 1\n",
		"no plugin":           strings.Replace(good, "var SendMail =", "var sendMail =", 1),
		"OnBoot too early":    strings.Replace(strings.Replace(good, onBoot, "", 1), "type SendMailPlugin", onBoot+"type SendMailPlugin", 1),
	} {
		require.NotEmpty(t, check(broken, listed, test), what)
	}
}

// The customer's page is about 55 lines; the plugin that follows it step for step stays near it.
func TestCreateProductFitsOnAPage(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(read(t, repository(), "domains/products/plugins/create_product.go")), "\n")
	count := 0
	for _, line := range lines {
		if line != "//" && !strings.HasPrefix(line, "//\t@") {
			count++
		}
	}
	require.LessOrEqual(t, count, 90)
	t.Logf("%d lines", count)
}

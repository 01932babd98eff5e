package host

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"plugboard/app"
	"plugboard/config"
)

// description is what "describe" prints: all that the service knows of itself before it starts.
type description struct {
	Domains  []domainJSON  `json:"domains"`
	Routes   []routeJSON   `json:"routes"`
	Events   eventsJSON    `json:"events"`
	Settings []settingJSON `json:"settings"`
	Commands []commandJSON `json:"commands"`
}

// domainJSON is a listed domain. Plugins outside of a domain belong to one without a name.
type domainJSON struct {
	Name    string       `json:"name"`
	Source  string       `json:"source"`
	Plugins []pluginJSON `json:"plugins"`
	Tables  []tableJSON  `json:"tables"`
}

type pluginJSON struct {
	Name    string `json:"name"`
	Source  string `json:"source"`
	Package string `json:"package"`
	Struct  string `json:"struct"`
	// Needs are the types of what the constructor asks for.
	Needs []string `json:"needs"`
}

// tableJSON is the table of an entity.
type tableJSON struct {
	Name    string       `json:"name"`
	Package string       `json:"package"`
	Struct  string       `json:"struct"`
	Columns []columnJSON `json:"columns"`
	Uniques []string     `json:"uniques"`
}

type columnJSON struct {
	Name  string `json:"name"`
	Field string `json:"field"`
	Type  string `json:"type"`
	Key   bool   `json:"key,omitzero"`
	Null  bool   `json:"null,omitzero"`
}

type settingJSON struct {
	Key     string `json:"key"`
	Env     string `json:"env"`
	Default string `json:"default"`
	Wanted  string `json:"wanted"`
}

type commandJSON struct {
	Use   string `json:"use"`
	Short string `json:"short"`
}

func (c *Commands) describeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "describe",
		Short: "Print all that the service knows of itself, as JSON",
		Long: `Prints domains, plugins, entities, routes, events, settings and commands as JSON, for the generators of documents.
It opens no port, no file and no connection.`,
		Args: cobra.NoArgs,
		RunE: Command(func(cmd *cobra.Command, _ []string) error {
			a, err := c.New()
			if err != nil {
				return err
			}
			d, err := a.describe()
			if err != nil {
				return err
			}
			settings, err := config.Describe(c.environ)
			if err != nil {
				return fmt.Errorf("describe settings: %w", err)
			}
			for _, s := range settings {
				d.Settings = append(d.Settings, settingJSON{Key: s.Key, Env: s.Env, Default: s.Default, Wanted: s.Wanted})
			}
			d.Commands = commandsOf(cmd.Root())
			return c.printJSON(d)
		}),
	}
}

// commandsOf lists the commands that do something, with those below them.
func commandsOf(cmd *cobra.Command) []commandJSON {
	var all []commandJSON
	for _, sub := range cmd.Commands() {
		switch {
		case sub.Hidden || sub.Name() == "help" || sub.Name() == "completion":
		case sub.HasSubCommands():
			all = append(all, commandsOf(sub)...)
		default:
			all = append(all, commandJSON{Use: strings.TrimSuffix(sub.UseLine(), " [flags]"), Short: sub.Short})
		}
	}
	return all
}

func (a *App) describe() (description, error) {
	routes, err := a.Routes()
	if err != nil {
		return description{}, err
	}
	d := description{Routes: routesForJSON(routes), Events: a.describeEvents(), Domains: []domainJSON{}}
	for _, domain := range a.inv.domains {
		tables, err := a.describeTables(domain.models)
		if err != nil {
			return description{}, err
		}
		d.Domains = append(d.Domains, domainJSON{
			Name: domain.Name, Source: fromRoot(domain.Source), Plugins: pluginsForJSON(domain.plugins), Tables: tables,
		})
	}
	var strays []*plugin
	for _, p := range a.inv.plugins {
		if p.domain == nil {
			strays = append(strays, p)
		}
	}
	if len(strays) > 0 {
		d.Domains = append(d.Domains, domainJSON{Plugins: pluginsForJSON(strays), Tables: []tableJSON{}})
	}
	return d, nil
}

func pluginsForJSON(plugins []*plugin) []pluginJSON {
	all := make([]pluginJSON, len(plugins))
	for i, p := range plugins {
		pkg, name := typeName(p.Info.Type)
		all[i] = pluginJSON{Name: p.Info.Name, Source: fromRoot(p.Info.Source), Package: pkg, Struct: name, Needs: []string{}}
		for _, need := range constructorNeeds(p.Info) {
			all[i].Needs = append(all[i].Needs, need.String())
		}
	}
	return all
}

// typeName returns the package and the name of t, or of what t points to.
func typeName(t reflect.Type) (pkg, name string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath(), t.Name()
}

func (a *App) describeTables(models []any) ([]tableJSON, error) {
	all := make([]tableJSON, len(models))
	for i, model := range models {
		t, err := a.DB().DescribeModel(model)
		if err != nil {
			return nil, fmt.Errorf("describe tables: %w", err)
		}
		pkg, name := typeName(reflect.TypeOf(model))
		all[i] = tableJSON{Name: t.Name, Package: pkg, Struct: name, Uniques: listed(t.Uniques)}
		for _, c := range t.Columns {
			all[i].Columns = append(all[i].Columns, columnJSON{Name: c.Name, Field: c.Field, Type: c.Type, Key: c.Key, Null: c.Null})
		}
	}
	return all, nil
}

// payloadJSON is a struct that travels as JSON.
type payloadJSON struct {
	Package string      `json:"package"`
	Struct  string      `json:"struct"`
	Schema  *schemaJSON `json:"schema"`
	// Fields are those of the struct, in their order.
	Fields []memberJSON `json:"fields"`
}

// memberJSON is a field of a payload: its name in JSON, and where it is declared.
type memberJSON struct {
	Name   string `json:"name"`
	Struct string `json:"struct"`
	Field  string `json:"field"`
}

func payloadOf(t reflect.Type) payloadJSON {
	return payloadJSON{Package: t.PkgPath(), Struct: t.Name(), Schema: answerSchemas().of(t), Fields: membersOf(t)}
}

func membersOf(t reflect.Type) []memberJSON {
	all := []memberJSON{}
	for f := range t.Fields() {
		tag, tagged := f.Tag.Lookup("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			all = append(all, membersOf(f.Type)...)
		case f.IsExported() && tag != "-":
			all = append(all, memberJSON{Name: cmp.Or(name, f.Name), Struct: t.Name(), Field: f.Name})
		}
	}
	return all
}

// deadLetter is what the host itself publishes.
func deadLetter() payloadJSON { return payloadOf(reflect.TypeFor[app.DeadLetter]()) }

// Package rules holds a service against the rules of its project.
//
// It is run by one test beside main.go, which has the list of modules:
//
//	func TestRules(t *testing.T) {
//		t.Parallel()
//		rules.Hold(t, modules)
//	}
//
// Each rule is a subtest:
//
//   - modules: the application can be put together, and it lists every plugin file of domains/*/plugins, and no other
//   - tables: the models equal the migrated tables, on SQLite and on Postgres
//   - document: the API's description equals the registered endpoints
//   - requests: the service takes the requests that the description allows, and no others, and answers as it says; a subtest for each
//     operation makes many requests
//   - access: everybody is let in or refused at every endpoint as its access rule says, with the exact status, and refused requests change nothing
//   - events: docs/asyncapi.yaml equals the registrations
//   - architecture: the table of events in docs/architecture.md equals the registrations, where there is one
//   - tested: every plugin file has a test beside it that mentions it
//   - lint: the rules of "go tool plug lint" hold
//   - deployments: the settings that deployments/ and the Markdown files name exist
//   - linked: the service links no developer's tools
//
// The rules read the files of the module that the test is part of. They make the application with the default settings, whatever the
// environment says, and run it on databases of their own. When requests fails, its generator leaves a file in testdata/rapid, from which the
// next run begins with the same request.
package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/fx"
)

// rule is one rule: the name of its subtest, and the test.
type rule struct {
	name  string
	check func(t *testing.T, s *site)
}

// all lists the rules.
func all() []rule {
	return []rule{
		{"modules", testModules},
		{"tables", testTables},
		{"document", testDocument},
		{"requests", testRequests},
		{"access", testAccess},
		{"events", testEvents},
		{"architecture", testArchitecture},
		{"tested", testTested},
		{"lint", testLint},
		{"deployments", testDeployments},
		{"linked", testLinked},
	}
}

// Hold holds the service that is made of modules, the list of main.go, against the rules. It runs each as a parallel subtest, which
// fails with everything that breaks it and says what to do. The test that calls it is of the package of main.go.
func Hold(t *testing.T, modules fx.Option, opts ...Option) {
	t.Helper()
	s, err := newSite(".", modules, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if reason, off := s.without[r.name]; off {
				t.Skip("switched off: " + reason)
			}
			r.check(t, s)
		})
	}
}

// Option changes how [Hold] works.
type Option func(*options)

type options struct {
	without map[string]string // the reasons, by the names of rules
	extra   []fx.Option
	start   startOptions
	access  accessOptions
	// problems are what is wrong with the options themselves.
	problems []error
}

// Without switches a rule off, named as its subtest. The reason is for whoever reads the test, and must not be empty.
func Without(rule, reason string) Option {
	return func(o *options) { o.without[rule] = reason }
}

// With adds options to the application's graph, beside the modules. A site replaces with it what tests must not reach, such as a client of
// another service: With(fx.Decorate(func(Payments) Payments { return fake{} })).
func With(extra ...fx.Option) Option {
	return func(o *options) { o.extra = append(o.extra, extra...) }
}

// check says which options are wrong.
func (o *options) check() error {
	var names []string
	for _, r := range all() {
		names = append(names, r.name)
		if reason, off := o.without[r.name]; off && strings.TrimSpace(reason) == "" {
			return fmt.Errorf("rules.Without(%q, …) has no reason; say why the rule does not hold here", r.name)
		}
	}
	for name := range o.without {
		if !contains(names, name) {
			return fmt.Errorf("rules.Without(%q, …): there is no such rule; the rules are %s", name, strings.Join(names, ", "))
		}
	}
	return errors.Join(o.problems...)
}

// report fails the test with all problems.
func report(t *testing.T, problems []string) {
	t.Helper()
	for _, problem := range problems {
		t.Error(problem)
	}
}

// Package upgrade brings a service to another version of the host.
//
// A declaration of the host that got a new name keeps the old one for two minor versions, with this comment:
//
//	// InTx is [Within].
//	//
//	// Deprecated: use [Within].
//	//
//	//plug:renamed Within
//
// [Rewrite] carries such renames out in the service that requires the host; [Notes] finds what the host's changelog says about the
// versions between. Both work with the version of the host that the service's go.mod names when they are called.
package upgrade

import (
	"cmp"
	"context"
	"slices"
)

// Rename is a declaration of the host that has a new name.
type Rename struct {
	// Package is the import path of the package that declares it.
	Package string
	// Type is the type whose method or field it is; "" for functions, types, constants and variables.
	Type string
	Old  string
	New  string
}

// Remark is something that is left for people.
type Remark struct {
	// File is the file's path from the module's folder, with slashes.
	File string
	Line int
	// Text says what is there and what to do.
	Text string
}

// Result is what [Rewrite] did and what it left.
type Result struct {
	// Changed are the paths of the changed files from the module's folder, with slashes, sorted.
	Changed []string
	// Left is sorted by file and line.
	Left []Remark
}

// Renames returns the renames in those packages of the host that the service in dir uses, sorted. The host is given by its module's
// path. The sources are only read.
func Renames(ctx context.Context, dir, host string) ([]Rename, error) {
	s, err := loadSound(ctx, dir, host, namesOnly)
	if err != nil {
		return nil, err
	}
	d, err := s.declarations()
	if err != nil {
		return nil, err
	}
	return d.list(), nil
}

// Rewrite replaces the old names of what the host renamed in all packages of the module in dir, tests included, as far as they are
// built on this system. It replaces identifiers and nothing else; a file that was formatted by gofmt before is so afterwards.
// Generated files are left alone.
//
// The packages must compile, before and with the new names. Otherwise, and when a file cannot be written, Rewrite returns an error
// and all files are as they were. A second call changes nothing.
func Rewrite(ctx context.Context, dir, host string) (*Result, error) {
	s, err := loadSound(ctx, dir, host, withTypes)
	if err != nil {
		return nil, err
	}
	d, err := s.declarations()
	if err != nil {
		return nil, err
	}
	u := newUses(s, d)
	u.find()
	changes, err := u.apply()
	if err != nil {
		return nil, err
	}
	if err := s.unbuilt(d.list(), u.remark); err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		if err := recheck(ctx, dir, host, changes); err != nil {
			return nil, err
		}
		if err := write(changes); err != nil {
			return nil, err
		}
	}
	result := &Result{Left: u.remarks()}
	for _, c := range changes {
		result.Changed = append(result.Changed, s.relative(c.file))
	}
	slices.Sort(result.Changed)
	return result, nil
}

func compareRemarks(a, b Remark) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
}

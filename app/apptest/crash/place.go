package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// place makes empty databases of one kind.
type place struct {
	folder string
	// postgres is the URL of the server, "" for SQLite; own is the server when the harness started it.
	postgres string
	own      *server
	drops    []func() error
}

// newPlace returns a place for databases of kind "sqlite" or "postgres"; SQLite's are in folder.
func newPlace(ctx context.Context, kind, root, folder string) (*place, error) {
	p := &place{folder: folder}
	if kind == "sqlite" {
		return p, nil
	}
	if p.postgres = os.Getenv("TEST_DATABASE_URL"); p.postgres != "" {
		return p, nil
	}
	var err error
	if p.own, err = startServer(ctx, root, filepath.Join(folder, "postgres")); err != nil {
		return nil, err
	}
	p.postgres = p.own.url
	return p, nil
}

// database makes an empty database and returns its URL.
func (p *place) database(ctx context.Context, name string) (string, error) {
	if p.postgres == "" {
		return "sqlite:" + filepath.Join(p.folder, "data", name+".db"), nil
	}
	url, drop, err := makeSchema(ctx, p.postgres)
	if err == nil {
		p.drops = append(p.drops, drop)
	}
	return url, err
}

// close deletes the Postgres databases, and the server that was started for them.
func (p *place) close(ctx context.Context) error {
	if p.own != nil {
		return p.own.stop(ctx)
	}
	var errs []error
	for _, drop := range p.drops {
		errs = append(errs, drop())
	}
	return errors.Join(errs...)
}

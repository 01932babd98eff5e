// Package gorm stands in for GORM, with what the rules look at.
package gorm

import "context"

type DB struct {
	Error error
}

func (db *DB) WithContext(ctx context.Context) *DB                  { return db }
func (db *DB) Where(query any, args ...any) *DB                     { return db }
func (db *DB) Joins(query string, args ...any) *DB                  { return db }
func (db *DB) Table(name string, args ...any) *DB                   { return db }
func (db *DB) Raw(sql string, args ...any) *DB                      { return db }
func (db *DB) Exec(sql string, args ...any) *DB                     { return db }
func (db *DB) Find(dest any, conds ...any) *DB                      { return db }
func (db *DB) Create(value any) *DB                                 { return db }
func (db *DB) Begin() *DB                                           { return db }
func (db *DB) Commit() *DB                                          { return db }
func (db *DB) Transaction(fn func(tx *DB) error, opts ...any) error { return nil }

func Expr(sql string, args ...any) any { return nil }

func (db *DB) Order(value any) *DB                      { return db }
func (db *DB) Delete(value any, conds ...any) *DB       { return db }
func (db *DB) Update(column string, value any) *DB      { return db }
func (db *DB) Select(query any, args ...any) *DB        { return db }
func (db *DB) Having(query any, args ...any) *DB        { return db }
func (db *DB) InnerJoins(query string, args ...any) *DB { return db }
func (db *DB) Pluck(column string, dest any) *DB        { return db }

func (db *DB) Or(query any, args ...any) *DB { return db }

func (db *DB) Count(n *int64) *DB { return db }

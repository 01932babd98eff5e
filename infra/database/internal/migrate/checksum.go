package migrate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	goosedb "github.com/pressly/goose/v3/database"
	"go.uber.org/zap"
)

// checksumTable has the checksums of the applied migrations of all domains, beside goose's histories.
const checksumTable = "plugboard_migration_files"

// checksum returns the checksum of a migration file. It is the same with the line ends of Windows, which some checkouts have. Any other
// change gives another checksum, even one in a comment.
func checksum(content []byte) string {
	sum := sha256.Sum256(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))
	return hex.EncodeToString(sum[:])
}

// record is what the database knows about the file of an applied migration.
type record struct {
	// file is the name without the folder. checksum is "" if somebody has approved that the file is gone.
	file, checksum string
	approvedBy     sql.NullString
	approvedAt     sql.NullTime
}

// checksums reads the records of a domain, by version. A database of an older version of the service has none.
func (m *Migrator) checksums(ctx context.Context, from Querier, domain string) (map[int64]record, error) {
	if exists, err := m.tableExists(ctx, from, checksumTable); err != nil || !exists {
		return nil, err
	}
	rows, err := from.QueryContext(ctx, m.numbered("SELECT version, file, checksum, approved_by, approved_at FROM "+
		checksumTable+" WHERE domain = ?"), domain)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	records := make(map[int64]record)
	for rows.Next() {
		var (
			version int64
			r       record
		)
		if err := rows.Scan(&version, &r.file, &r.checksum, &r.approvedBy, &r.approvedAt); err != nil {
			return nil, err
		}
		records[version] = r
	}
	return records, rows.Err()
}

// compare sets Edited and Gone of an applied migration. The file is edited if it has another checksum than the recorded one. It is gone
// if the service has later files but not this one, unless somebody approved that. known is true if the service has the file, older if it
// has later files.
func (s *State) compare(r record, file migrationFile, known, older bool) {
	recorded := r.file != ""
	s.Recorded, s.ApprovedBy, s.ApprovedAt = r.file, r.approvedBy.String, r.approvedAt.Time.UTC()
	if !r.approvedAt.Valid {
		s.ApprovedAt = time.Time{}
	}
	s.Edited = known && recorded && r.checksum != file.checksum
	s.Gone = !known && older && (!recorded || r.checksum != "")
}

// name is the migration's name on the command line of migrate --approve.
func (s *State) name() string {
	switch {
	case s.File != "":
		return s.Domain + "/" + path.Base(s.File)
	case s.Recorded != "":
		return s.Domain + "/" + s.Recorded
	default:
		return s.Domain + "/" + strconv.FormatInt(s.Version, 10)
	}
}

// changedError names the migrations that are edited or gone, if there are any.
func changedError(states []State) error {
	var changed []error
	for _, s := range states {
		switch {
		case s.Edited:
			changed = append(changed, fmt.Errorf("domain %s: %s was edited after it was applied on %s, so the database does not"+
				" have what it says now. Undo the edit and put the change into a new file; or, if the database is right, run:"+
				" migrate --approve %s; or, if nothing in the database is needed, as on a developer's machine, delete it", s.Domain, s.File, s.AppliedAt.Format(time.DateOnly), s.name()))
		case s.Gone:
			changed = append(changed, fmt.Errorf("domain %s: the file of migration %d, applied on %s, is gone, though there are"+
				" later ones. Restore it%s; or, if it went on purpose, run: migrate --approve %s", s.Domain, s.Version,
				s.AppliedAt.Format(time.DateOnly), asRecorded(s.Recorded), s.name()))
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrChanged, errors.Join(changed...))
}

func asRecorded(file string) string {
	if file == "" {
		return ""
	}
	return " as " + file
}

// adoptChecksums returns the state of all migrations. It makes the table of checksums if there is none. An older version of the service
// has applied migrations without recording a checksum: for those it records the checksum that the file has now.
func (m *Migrator) adoptChecksums(ctx context.Context, sets []Set) ([]State, error) {
	if err := m.createChecksums(ctx); err != nil {
		return nil, fmt.Errorf("create table %s: %w", checksumTable, err)
	}
	states, err := m.States(ctx, m.Pool, sets)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		files, err := m.migrationFiles(set)
		if err != nil {
			return nil, err
		}
		for _, s := range states {
			if s.Domain == set.Domain && s.Applied && s.File != "" && s.Recorded == "" {
				if err := m.recordChecksum(ctx, m.Pool, s.Domain, s.Version, files[s.Version]); err != nil {
					return nil, err
				}
			}
		}
	}
	return states, nil
}

func (m *Migrator) createChecksums(ctx context.Context) error {
	instant := "TIMESTAMP" // the driver of SQLite reads times from columns of this type
	if m.Dialect == Postgres {
		instant = "TIMESTAMPTZ"
	}
	if exists, err := m.tableExists(ctx, m.Pool, checksumTable); err != nil || exists {
		return err
	}
	_, err := m.Pool.ExecContext(ctx, `CREATE TABLE `+checksumTable+` (
	domain      VARCHAR(50) NOT NULL,
	version     BIGINT      NOT NULL,
	file        TEXT        NOT NULL,
	checksum    TEXT        NOT NULL,
	recorded_at `+instant+` NOT NULL,
	replaced    TEXT, -- the checksum before it was approved
	approved_by TEXT,
	approved_at `+instant+`,
	PRIMARY KEY (domain, version)
)`)
	return err
}

// recordChecksum notes with which file a migration was applied.
func (m *Migrator) recordChecksum(ctx context.Context, to goosedb.DBTxConn, domain string, version int64, file migrationFile) error {
	_, err := to.ExecContext(ctx, m.numbered(`INSERT INTO `+checksumTable+` (domain, version, file, checksum, recorded_at)
VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP)
ON CONFLICT (domain, version) DO UPDATE SET file = excluded.file, checksum = excluded.checksum,
	recorded_at = excluded.recorded_at, replaced = NULL, approved_by = NULL, approved_at = NULL`),
		domain, version, path.Base(file.name), file.checksum)
	if err != nil {
		return fmt.Errorf("record the checksum of %s: %w", file.name, err)
	}
	return nil
}

// Approve records, in the name of by, that applied migrations are right although their files were edited or are gone. names has them as
// the error of [Migrator.Migrate] does: "products/00001_create_products.sql". If one of them is neither edited nor gone, it fails and
// records nothing.
func (m *Migrator) Approve(ctx context.Context, sets []Set, names []string, by string) error {
	return m.locked(ctx, func() error {
		states, err := m.adoptChecksums(ctx, sets)
		if err != nil {
			return err
		}
		chosen, err := chooseChanged(states, names)
		if err != nil {
			return err
		}
		tx, err := m.Pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // unless it has been committed
		for _, s := range chosen {
			if err := m.approve(ctx, tx, sets, s, by); err != nil {
				return fmt.Errorf("approve %s: %w", s.name(), err)
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		m.Logger.Info("migrations approved", zap.Strings("migrations", names), zap.String("by", by))
		return nil
	})
}

// chooseChanged returns the states of the named migrations. It fails if one of them is neither edited nor gone.
func chooseChanged(states []State, names []string) ([]State, error) {
	var chosen []State
	for _, name := range names {
		i := slices.IndexFunc(states, func(s State) bool { return (s.Edited || s.Gone) && s.name() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is nothing to approve about %s; %s", name, listChanged(states))
		}
		chosen = append(chosen, states[i])
	}
	return chosen, nil
}

func listChanged(states []State) string {
	var names []string
	for _, s := range states {
		if s.Edited || s.Gone {
			names = append(names, s.name())
		}
	}
	if len(names) == 0 {
		return "no applied migration was edited or is gone"
	}
	return "edited or gone are " + strings.Join(names, ", ")
}

func (m *Migrator) approve(ctx context.Context, tx *sql.Tx, sets []Set, s State, by string) error {
	file := migrationFile{name: s.name()} // no checksum: the file is gone
	if s.Edited {
		i := slices.IndexFunc(sets, func(set Set) bool { return set.Domain == s.Domain })
		files, err := m.migrationFiles(sets[i])
		if err != nil {
			return err
		}
		file = files[s.Version]
	}
	_, err := tx.ExecContext(ctx, m.numbered(`INSERT INTO `+checksumTable+`
	(domain, version, file, checksum, recorded_at, approved_by, approved_at)
VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP, ?, CURRENT_TIMESTAMP)
ON CONFLICT (domain, version) DO UPDATE SET replaced = `+checksumTable+`.checksum, file = excluded.file,
	checksum = excluded.checksum, approved_by = excluded.approved_by, approved_at = excluded.approved_at`),
		s.Domain, s.Version, path.Base(file.name), file.checksum, by)
	return err
}

// numbered replaces the question marks of a statement by the placeholders of the database.
func (m *Migrator) numbered(query string) string {
	if m.Dialect == SQLite {
		return query
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

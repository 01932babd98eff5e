package sessions

import (
	"crypto/sha256"
	"sync"

	"gorm.io/gorm"

	"plugboard/app"
)

// mostRecent is how many sessions are kept, some 4 MB of them. Beyond it all are forgotten.
const mostRecent = 10_000

// recent keeps the sessions that were read since the database last changed. Where others than this process may change it, as on Postgres, it keeps
// nothing. So a session that was ended is never found here: its end has changed the database. It is safe for concurrent use.
type recent struct {
	mu       sync.RWMutex
	sessions map[[sha256.Size]byte]kept
}

// kept is a session with the number of changes before it was read.
type kept struct {
	session found
	changes uint64
}

// get returns the session with the hash, from read unless it is kept.
func (r *recent) get(db *gorm.DB, hash [sha256.Size]byte, read func(hash []byte) (found, error)) (found, error) {
	changes, counted := app.Changes(db)
	if !counted {
		return read(hash[:])
	}
	r.mu.RLock()
	k, ok := r.sessions[hash]
	r.mu.RUnlock()
	if ok && k.changes == changes {
		return k.session, nil
	}
	session, err := read(hash[:])
	if err != nil || session.id == "" {
		return session, err // what is not there is not kept: whoever guesses would push out the others
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions == nil || len(r.sessions) >= mostRecent {
		r.sessions = map[[sha256.Size]byte]kept{}
	}
	r.sessions[hash] = kept{session, changes}
	return session, nil
}

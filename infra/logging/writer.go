package logging

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// The bounds of a [Writer].
const (
	// room is how many bytes of records may wait for the descriptor.
	room = 1 << 20
	// reserve is how many more bytes may wait if they are warnings and errors, so that a flood of other records does not push those out.
	reserve = 256 << 10
	// patience is how long the caller waits until the record of an error is written.
	patience = 100 * time.Millisecond
	// flushTime is how long Sync waits. It is long because the goroutine that writes may get no CPU on a busy machine. Sync does not wait
	// if the descriptor has taken nothing for as long.
	flushTime = 2 * time.Second
	// piece is how many bytes are written at a time. The kernel does not mix so many bytes of one write with those of other processes in
	// a pipe (PIPE_BUF of pipe(7)).
	piece = 4096
)

// errNotWritten says that records still wait, since the descriptor does not take them.
var errNotWritten = errors.New("write log: nobody reads the log")

// Writer writes log records to a descriptor that may block for ever, such as a pipe that nobody reads, without blocking its callers. One
// goroutine writes. Records wait for it in a bounded buffer, in order. A record for which there is no room is dropped and counted, and
// when the descriptor takes records again, a record says how many were dropped.
//
// The goroutine runs while there are records. A Writer needs no stop; call Sync before the process ends.
type Writer struct {
	out    io.Writer
	notice func(dropped int64) []byte // makes the record about dropped ones

	mu       sync.Mutex
	pending  []byte        // records that wait
	spare    []byte        // the buffer that becomes pending next
	running  bool          // there is a goroutine
	taken    int64         // bytes that were ever accepted
	done     int64         // of these, the bytes that were written, or lost because the descriptor failed
	began    time.Time     // when the piece that is being written was begun
	moved    chan struct{} // closed when a piece was written or lost; nil when nobody waits for that
	untold   int64         // dropped records of which no record has told yet
	overflow int64         // records dropped because there was no room
	failed   int64         // records lost because the descriptor returned an error
}

// NewWriter returns a Writer to out. It gets the records about dropped ones from notice.
func NewWriter(out io.Writer, notice func(dropped int64) []byte) *Writer {
	return &Writer{out: out, notice: notice}
}

// Dropped returns how many records were dropped because there was no room, and how many were lost because the descriptor returned an
// error.
func (w *Writer) Dropped() (overflow, failed int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.overflow, w.failed
}

// Write implements zapcore.WriteSyncer for zap's own complaints. It never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.WriteRecord(zapcore.ErrorLevel, p)
	return len(p), nil
}

// WriteRecord copies one whole record. It returns when the record of an error is written, so that a process which ends next has logged
// why. It waits for that at most 100 ms, and not at all if the descriptor has taken nothing for as long. Other records are written
// later.
func (w *Writer) WriteRecord(level zapcore.Level, record []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	urgent := level >= zapcore.ErrorLevel
	limit := room
	if level >= zapcore.WarnLevel {
		limit += reserve
	}
	fits := func() bool { return w.taken-w.done+int64(len(record)) <= int64(limit) }
	var patient time.Time
	if urgent {
		patient = time.Now().Add(patience)
		w.await(fits, patient, patience)
	}
	if !fits() {
		w.overflow++
		w.untold++
		return
	}
	w.pending = append(w.pending, record...)
	w.taken += int64(len(record))
	if !w.running {
		w.running = true
		w.began = time.Time{}
		go w.drain()
	}
	if urgent {
		w.awaitWritten(patient, patience)
	}
}

// Sync waits until all records so far are written, for two seconds at most. It does not wait if the descriptor has taken nothing for two
// seconds.
func (w *Writer) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.awaitWritten(time.Now().Add(flushTime), flushTime) {
		return errNotWritten
	}
	return nil
}

// awaitWritten waits as await does until all records so far are written, and reports whether they are.
func (w *Writer) awaitWritten(deadline time.Time, stuck time.Duration) bool {
	all := w.taken
	written := func() bool { return w.done >= all }
	w.await(written, deadline, stuck)
	return written()
}

// await returns when reached reports true, at the deadline, or when one piece has taken longer than stuck. It is called with the lock
// held, and releases it while it waits.
func (w *Writer) await(reached func() bool, deadline time.Time, stuck time.Duration) {
	for !reached() {
		until := deadline
		if w.running && !w.began.IsZero() && w.began.Add(stuck).Before(until) {
			until = w.began.Add(stuck)
		}
		left := time.Until(until)
		if left <= 0 {
			return
		}
		if w.moved == nil {
			w.moved = make(chan struct{})
		}
		moved := w.moved
		w.mu.Unlock()
		timer := time.NewTimer(left)
		select {
		case <-moved:
		case <-timer.C:
		}
		timer.Stop()
		w.mu.Lock()
	}
}

// drain writes until nothing waits.
func (w *Writer) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	healthy := true
	for len(w.pending) > 0 || healthy && w.untold > 0 {
		batch, dropped := w.pending, w.untold // these would have come after the batch
		w.pending = w.spare[:0]
		for rest := batch; len(rest) > 0; {
			n := cut(rest)
			if healthy = w.put(rest[:n]); !healthy {
				lost := int64(max(bytes.Count(rest[:n], []byte{'\n'}), 1))
				w.failed += lost
				w.untold += lost
			}
			w.done += int64(n)
			rest = rest[n:]
		}
		w.spare = batch
		if healthy && dropped > 0 {
			// The record about dropped ones does not count: when it is lost, the next one tells the same.
			if healthy = w.put(w.notice(dropped)); healthy {
				w.untold -= dropped
			}
		}
	}
	w.running = false
}

// put writes one piece and reports whether the descriptor took it. It releases the lock meanwhile.
func (w *Writer) put(p []byte) bool {
	w.began = time.Now()
	w.mu.Unlock()
	_, err := w.out.Write(p)
	w.mu.Lock()
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
	return err == nil
}

// cut returns the length of the first piece of p: as many whole records as fit into a piece, or one longer record.
func cut(p []byte) int {
	if len(p) <= piece {
		return len(p)
	}
	if n := bytes.LastIndexByte(p[:piece], '\n'); n >= 0 {
		return n + 1
	}
	if n := bytes.IndexByte(p, '\n'); n >= 0 {
		return n + 1
	}
	return len(p)
}

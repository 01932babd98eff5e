package pgx

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// pieces is a connection that gives what it has in pieces of the given sizes, in turn, and keeps what is written.
type pieces struct {
	net.Conn
	left    []byte
	sizes   []byte
	written bytes.Buffer
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	size := 1
	if len(c.sizes) > 0 {
		size += int(c.sizes[0])
		c.sizes = append(c.sizes[1:], c.sizes[0])
	}
	n := copy(p, c.left[:min(size, len(c.left))])
	c.left = c.left[n:]
	return n, nil
}

func (c *pieces) Write(p []byte) (int, error) { return c.written.Write(p) }

// TestTheAnswersToBeginAreTakenOut also has a shape for each message that may come between them.
func TestTheAnswersToBeginAreTakenOut(t *testing.T) {
	t.Parallel()
	const begun = "1\x00\x00\x00\x04" + "2\x00\x00\x00\x04" + "C\x00\x00\x00\x0aBEGIN\x00"
	const notice = "N\x00\x00\x00\x05\x00"
	const failed = "E\x00\x00\x00\x05\x00"
	const rest = "2\x00\x00\x00\x04C\x00\x00\x00\x06x\x00Z\x00\x00\x00\x05T"
	for name, c := range map[string]struct {
		in, out, statement, written string
	}{
		"begun":                 {in: begun + rest, out: rest, statement: "B"},
		"begun, simple":         {in: begun + rest, out: rest, statement: "Q"},
		"a notice before":       {in: notice + begun + rest, out: notice + rest, statement: "B"},
		"a notice between":      {in: begun[:5] + notice + begun[5:] + rest, out: notice + rest, statement: "B"},
		"failed":                {in: failed + rest, out: failed + rest, statement: "P"},
		"failed, simple":        {in: begun[:5] + failed + rest, out: failed + rest, statement: "Q", written: "S\x00\x00\x00\x04"},
		"ended in the middle":   {in: begun[:7], out: "", statement: "B"},
		"not Postgres's at all": {in: "1\x00\x00\x00\x00", out: "", statement: "B"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for size := range 40 {
				below := &pieces{left: []byte(c.in), sizes: []byte{byte(size)}}
				w := &wire{Conn: below}
				require.NoError(t, w.queueBegin("begin"))
				_, err := w.Write([]byte(c.statement))
				require.NoError(t, err)
				sent := below.written.Len()
				got, _ := io.ReadAll(w)
				require.Equal(t, c.out, string(got), "size %d", size)
				require.Equal(t, c.written, below.written.String()[sent:])
			}
		})
	}
}

// A server ended the session while nothing was sent. The next write failed at once, the reason stayed unread, and a handler
// that had done nothing for too long was taken for a victim of a lost connection.
func TestTheLastWordsOfAServerAreHeard(t *testing.T) {
	t.Parallel()
	message := func(m pgproto3.BackendMessage) []byte {
		text, err := m.Encode(nil)
		require.NoError(t, err)
		return text
	}
	fatal := message(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "25P03", Message: "too long"})
	failed := message(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "23505", Message: "twice"})
	notice := message(&pgproto3.NoticeResponse{Severity: "LOG", Message: "by the way"})
	for name, c := range map[string]struct {
		in    []byte
		known bool
	}{
		"fatal":                   {fatal, true},
		"fatal after a notice":    {append(bytes.Clone(notice), fatal...), true},
		"an error of a statement": {failed, false},
		"nothing":                 {nil, false},
		"cut off":                 {fatal[:len(fatal)-3], false},
		"a length of nothing":     {[]byte("E\x00\x00\x00\x00FATAL"), false},
		"something else":          {append([]byte("Z\x00\x00\x00\x05T"), fatal...), false},
	} {
		for _, broken := range []error{syscall.EPIPE, syscall.ECONNRESET} {
			w := &wire{Conn: &closedByServer{pieces{left: c.in, sizes: []byte{255}}, broken}}
			_, err := w.Write([]byte("Q"))
			require.ErrorIs(t, err, broken)
			reason, known := errors.AsType[*pgconn.PgError](w.withServerReason(err))
			require.Equal(t, c.known, known, name)
			if known {
				require.Equal(t, "25P03", reason.Code)
			}
		}
	}
}

// closedByServer is a connection that the server has closed: what it has sent can be read, and every write fails.
type closedByServer struct {
	pieces
	broken error
}

func (c *closedByServer) Write([]byte) (int, error)       { return 0, c.broken }
func (c *closedByServer) SetReadDeadline(time.Time) error { return nil }

// FuzzWire holds that what is read does not depend on how it arrives, whatever it is.
func FuzzWire(f *testing.F) {
	f.Add([]byte("1\x00\x00\x00\x042\x00\x00\x00\x04C\x00\x00\x00\x0aBEGIN\x00Z\x00\x00\x00\x05T"), []byte{3, 1})
	f.Add([]byte("N\x00\x00\x00\x05\x00E\x00\x00\x00\x05\x00"), []byte{0})
	f.Fuzz(func(t *testing.T, in, sizes []byte) {
		read := func(sizes []byte) string {
			w := &wire{Conn: &pieces{left: in, sizes: sizes}}
			require.NoError(t, w.queueBegin("begin"))
			_, err := w.Write([]byte("Q"))
			require.NoError(t, err)
			got, err := io.ReadAll(w)
			require.True(t, err == nil || errors.Is(err, io.EOF))
			return string(got)
		}
		require.Equal(t, read([]byte{255}), read(bytes.Clone(sizes)))
	})
}

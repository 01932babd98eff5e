package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// cutPower lets clients write to s, whose database is on d, cuts the power under it, and gives the power back. What is
// answered while the power is cut does not count as acked: the kernel lets a sync that is under way then succeed, though
// nothing reached the disk (one file, written and synced in a loop: 10 of 150 cuts). For a while the service goes on
// without power, and acks nothing.
func cutPower(t *testing.T, s *service, d *disk, l *probeLedger, seed uint64) {
	t.Helper()
	p := serve(t, s)
	fleet := launch(l, seed, pause, shining(p))
	acks(t, l, 50)
	l.set(failing)
	require.NoError(t, d.cut())
	l.set(off)
	refusals := l.sentSoFar() + 2*clients // one of each client's may be without an answer
	until(t, "wait for requests without power", func() (bool, error) { return l.sentSoFar() >= refusals, nil })
	p.kill()
	fleet.stop()
	require.Empty(t, l.ackedLate(), "acked though the disk had no power")
	require.NoError(t, d.unmount(t.Context()))
	require.NoError(t, d.mount(t.Context()))
}

// newDisk returns a disk, or skips the test where none can be made.
func newDisk(t *testing.T) *disk {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes; left out with -short")
	}
	d, err := makeDisk(t.Context(), t.TempDir())
	if err != nil {
		t.Skipf("NO POWER CUT ON THIS MACHINE, durability beyond a kill is NOT shown: %v", err)
	}
	t.Cleanup(func() { _ = d.unmount(context.WithoutCancel(t.Context())) })
	return d
}

// What was acked survives a power cut.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	d, seed, l := newDisk(t), seed(t), newProbeLedger()
	s := newService(t, &place{folder: d.folder}, "service")
	cutPower(t, s, d, l, seed)
	r, err := finishProbe(t.Context(), s, l, replayed(s))
	require.NoError(t, err)
	require.True(t, r.clean(), r)
}

// A database that does not wait for the disk loses acked writes in a power cut, or is damaged, and the oracle says
// so.
func TestNotWaitingForTheDiskIsFound(t *testing.T) {
	t.Parallel()
	d, seed, l := newDisk(t), seed(t), newProbeLedger()
	s := newService(t, &place{folder: d.folder}, "service")
	require.Equal(t, "sqlite:"+filepath.Join(d.folder, "data", "crash.db"), s.database)
	cutPower(t, s.as(t, "sabotaged", "CRASH_MUTANT=synchronous off"), d, l, seed)
	r, err := finishProbe(t.Context(), s, l, replayed(s))
	if err != nil {
		t.Logf("the database is damaged: %v", err)
		return
	}
	t.Log(r)
	require.True(t, r.has(lost) || r.has(damaged), r)
}

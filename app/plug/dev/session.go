//go:build unix

package dev

import (
	"context"
	"fmt"

	"plugboard/config"
)

// session is the work of [Run]. One goroutine, that of run, has it. At any time at most one build is under way, and at most one process
// of the service lives; while there is none, the stand-in may answer.
type session struct {
	report   report
	files    *watcher
	socket   *socket
	status   statusFile
	settings config.Config
	builder  *builder
	launcher launcher

	build   *pending // the build under way, or nil
	cut     int      // builds that were cancelled since the last that ended
	again   bool     // files changed during the build under way, which goes on
	child   *child   // the service, or nil
	good    *binary  // the newest that has served, or nil
	standIn *standIn // answers while there is no service, or nil
}

// run builds, and then does what changes, builds and the service make necessary, until ctx ends.
func (s *session) run(ctx context.Context) error {
	s.report.say("building %s for %s; Ctrl-C stops", s.report.dir, s.socket.url())
	s.begin(ctx)
	for {
		select {
		case <-ctx.Done():
			s.end(ctx)
			return nil
		case files := <-s.files.changes:
			s.report.changed(files)
			s.begin(ctx)
		case err := <-s.files.errors:
			s.report.say("%s", err)
		case result := <-s.build.result():
			s.build, s.cut = nil, 0
			s.decide(ctx, result)
			if s.again {
				s.begin(ctx)
			}
		case <-s.child.answers():
			s.serves()
		case <-s.child.ended():
			s.lost(ctx)
		}
	}
}

// mostCut is how many builds in a row are cancelled. Something that writes without a pause would otherwise keep every build from
// its end.
const mostCut = 3

// begin begins a build. One that is under way is of sources that are old now: it is cancelled, or after some of them goes on, and
// another follows.
func (s *session) begin(ctx context.Context) {
	if s.build != nil && s.cut >= mostCut {
		s.again = true
		return
	}
	if s.build != nil {
		s.cut++
	}
	s.again = false
	s.build.cancel()
	var running *binary
	if s.child != nil {
		running = s.child.binary
	}
	s.build = s.builder.begin(ctx, running)
}

// decide does what the result of a build asks for.
func (s *session) decide(ctx context.Context, r result) {
	switch {
	case r.err != nil:
		s.tell(r.err.Error())
		if s.child == nil {
			s.answer(ctx)
			return
		}
		s.report.say("the last good version goes on; browsers are shown this error")
	case r.sameAs != nil && s.child != nil && s.child.binary == r.sameAs:
		r.binary.remove()
		s.solved()
		s.report.say("built in %s: nothing has changed for the service", r.built)
	default:
		s.report.say("built in %s, checked in %s", r.built, r.checked)
		s.stop()
		s.start(ctx, r.binary, false)
	}
}

// start starts b. A fallback is started because the version after it has ended.
func (s *session) start(ctx context.Context, b *binary, fallback bool) {
	s.standIn.stop()
	s.standIn = nil
	child, err := s.launcher.start(ctx, b, s.socket, fallback)
	if err != nil {
		s.discard(b)
		s.tell(err.Error())
		s.answer(ctx)
		return
	}
	s.child = child
}

// serves notes that the service has answered.
func (s *session) serves() {
	c := s.child
	c.serving, c.answered = true, nil
	if !c.fallback {
		if old := s.good; old != nil && old != c.binary {
			old.remove()
		}
		s.good = c.binary
		s.solved()
	}
	s.report.say("serving at %s", s.socket.url())
}

// lost does what is to be done when the service has ended by itself. A version that ends at its start is replaced by the last good one.
func (s *session) lost(ctx context.Context) {
	c := s.child
	s.child = nil
	s.discard(c.binary)
	back := !c.serving && !c.fallback && s.good != nil
	if c.serving || c.fallback {
		s.tell(fmt.Sprintf("the service has ended by itself (%s); save a file to start it again\n\n%s", c.reason(), c.last.text()))
	} else {
		s.tell(fmt.Sprintf("the new version has ended at its start (%s); save a file to try again\n\n%s", c.reason(), c.last.text()))
	}
	if back {
		s.report.say("starting the last good version again")
		s.start(ctx, s.good, true)
		return
	}
	s.answer(ctx)
}

// tell says what is wrong, here and to browsers.
func (s *session) tell(text string) {
	s.report.say("%s\n", text)
	if err := s.status.write(text); err != nil {
		s.report.say("%s", err)
	}
}

// solved notes that nothing is wrong any more.
func (s *session) solved() {
	if err := s.status.write(""); err != nil {
		s.report.say("%s", err)
	}
}

// answer lets this process answer requests with what is wrong, until a service is started.
func (s *session) answer(ctx context.Context) {
	if s.standIn == nil {
		var err error
		if s.standIn, err = stand(ctx, s.settings, s.socket, s.status); err != nil {
			s.report.say("requests wait, since they cannot be answered here: %s", err)
			return
		}
	}
	s.report.say("until this is solved, requests are answered with this error")
}

// stop stops the service, if there is one, and waits for its end.
func (s *session) stop() {
	if s.child == nil {
		return
	}
	if !s.child.stop() {
		s.report.say("the service did not stop within %s; it was killed", patience)
	}
	s.discard(s.child.binary)
	s.child = nil
}

// discard removes a binary that does not run, unless it is the one to go back to.
func (s *session) discard(b *binary) {
	if b != s.good {
		b.remove()
	}
}

// end ends all that was begun.
func (s *session) end(ctx context.Context) {
	s.report.say("stopping: %s", context.Cause(ctx))
	s.build.cancel()
	s.stop()
	s.standIn.stop()
	s.report.say("stopped")
}

package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plugboard/app"
	"plugboard/infra/internal/retry"
)

// try makes the call, and makes it again while that may help. It returns the last answer or error, and how often it tried.
func (t *transport) try(request *http.Request, to *target) (answer *http.Response, tries int, err error) {
	repeatable := idempotent(request) && replayable(request)
	to.budget.earn()
	for tries = 1; ; tries++ {
		answer, err = t.once(request, to)
		if !repeatable || tries >= t.settings.Attempts || !worthwhile(request.Context(), answer, err) {
			return answer, tries, err
		}
		wait := retry.Backoff(tries, t.pace.First, t.pace.Longest)
		if asked, ok := retryAfter(answer, time.Now()); ok {
			wait = max(wait, asked)
		}
		if !fits(request.Context(), wait) {
			return answer, tries, err
		}
		if !to.budget.spend() {
			t.metrics.refuse("budget")
			return answer, tries, err
		}
		next, failed := renewed(request)
		if failed != nil {
			return answer, tries, err
		}
		discard(answer)
		app.Sleep(request.Context(), wait)
		if ended := request.Context().Err(); ended != nil {
			closeBody(next)
			return nil, tries, ended
		}
		t.metrics.retries.Inc()
		request = next
	}
}

// once makes one try, if the breaker of the target allows it.
func (t *transport) once(request *http.Request, to *target) (*http.Response, error) {
	done, err := to.allow()
	if err != nil {
		closeBody(request)
		t.metrics.refuse("breaker")
		return nil, err
	}
	answer, err := t.network.RoundTrip(request)
	done(verdict(request.Context(), answer, err))
	return answer, err
}

// errFailed tells the breaker of an answer that says that the target fails.
var errFailed = errors.New("the target answered that it fails")

// errLeft tells the breaker of a call that says nothing about the target.
var errLeft = errors.New("the caller gave up")

// verdict returns what the breaker is told: nil for a success. A caller that gives up says nothing about the target; a deadline does.
func verdict(ctx context.Context, answer *http.Response, err error) error {
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return errLeft
	case err != nil:
		return err
	case answer.StatusCode >= http.StatusInternalServerError && answer.StatusCode != http.StatusNotImplemented:
		return errFailed
	}
	return nil
}

// idempotent reports whether a repeated call has the effect of one (RFC 9110, section 9.2.2), or has a key by which the other side
// knows the repetition.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header.Get(idempotencyKey) != ""
}

// replayable reports whether the body can be sent again.
func replayable(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
}

// renewed returns the request with its body from the beginning.
func renewed(r *http.Request) (*http.Request, error) {
	next := r.Clone(r.Context())
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		next.Body = body
	}
	return next, nil
}

// worthwhile reports whether another try may do better.
func worthwhile(ctx context.Context, answer *http.Response, err error) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
		_, open := errors.AsType[*OpenError](err)
		return !untrusted && !open
	}
	return again(answer.StatusCode)
}

// again reports whether a status says that the call may be made again.
func again(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// fits reports whether a try after wait comes before the deadline.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, has := ctx.Deadline()
	return !has || time.Until(deadline) > wait
}

// retryAfter returns how long the answer asks to wait (RFC 9110, section 10.2.3): in seconds, or until a date.
func retryAfter(answer *http.Response, now time.Time) (time.Duration, bool) {
	if answer == nil {
		return 0, false
	}
	text := strings.TrimSpace(answer.Header.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	const longest = 1000 * time.Hour // beyond any deadline
	if seconds, err := strconv.ParseUint(text, 10, 63); err == nil {
		if seconds > uint64(longest/time.Second) {
			return longest, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	if strings.Trim(text, "0123456789") == "" { // a number beyond 63 bits
		return longest, true
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), longest), true
}

// mostDiscarded and longestDiscard bound how much of an answer that is not used is read, so that its connection can be used again.
const (
	mostDiscarded  = 64 << 10
	longestDiscard = 100 * time.Millisecond
)

func discard(answer *http.Response) {
	if answer == nil {
		return
	}
	late := time.AfterFunc(longestDiscard, func() { _ = answer.Body.Close() }) // which ends the copy
	_, _ = io.CopyN(io.Discard, answer.Body, mostDiscarded)
	late.Stop()
	_ = answer.Body.Close() // nobody reads it
}

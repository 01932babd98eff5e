package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// quiet keeps out measurements that other processes disturbed.
type quiet struct {
	limit    float64       // the share of the machine that others may use
	patience time.Duration // how much longer to wait for that, in all
	noisy    int           // measurements kept although they were disturbed, since patience had run out
}

// measure waits until others use little of the machine and calls once, again and again until they have used little
// while it ran. Only the last outcome counts.
func (q *quiet) measure(once func() (columns, error)) (columns, error) {
	for {
		for q.others(func() { time.Sleep(500 * time.Millisecond) }) > q.limit && q.patience > 0 {
			q.patience -= 500 * time.Millisecond
		}
		var c columns
		var err error
		begin := time.Now()
		share := q.others(func() { c, err = once() })
		if err != nil || share <= q.limit {
			return c, err
		}
		if q.patience <= 0 {
			q.noisy++
			return c, nil
		}
		q.patience -= time.Since(begin)
	}
}

// others returns the share of the machine that other processes used while fn ran, the processes it started and
// waited for not counted.
func (q *quiet) others(fn func()) float64 {
	begin, busy, own := time.Now(), busyTime(), ownTime()
	fn()
	used := busyTime() - busy - (ownTime() - own)
	return used.Seconds() / time.Since(begin).Seconds() / float64(runtime.NumCPU())
}

// busyTime returns the time all cores have worked; 0 where /proc does not tell.
func busyTime() time.Duration {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, wait, irq, softirq, steal int64
	_, _ = fmt.Sscanf(string(raw), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on all systems Go runs on
	return time.Duration(user+nice+system+irq+softirq+steal) * tick
}

// ownTime returns the time this process, and those it has waited for, have worked.
func ownTime() time.Duration {
	var total time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

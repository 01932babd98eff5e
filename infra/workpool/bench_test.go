package workpool_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"plugboard/app"
	"plugboard/config"
	"plugboard/infra/workpool"
)

func nothing(app.Job) (any, error) { return nil, nil }

// BenchmarkSubmitAndWait compares one empty job, submitted and waited for, with a goroutine and a channel.
func BenchmarkSubmitAndWait(b *testing.B) {
	b.Run("goroutine", benchGoroutine)
	b.Run("goroutine beside the pool", func(b *testing.B) { // which raises GOMAXPROCS
		benchPool(b, 10)
		benchGoroutine(b)
	})
	for name, nice := range map[string]int{"pool": 10, "plain": 0} {
		b.Run(name, func(b *testing.B) {
			p := benchPool(b, nice)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Run(context.Background(), nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"-cold", func(b *testing.B) {
			p := benchPool(b, nice)
			for b.Loop() {
				b.StopTimer()
				time.Sleep(200 * time.Microsecond) //nolint:forbidigo // lets the workers go to sleep
				b.StartTimer()
				if _, err := p.Run(context.Background(), nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchGoroutine(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
	}
}

func benchPool(b *testing.B, nice int) *workpool.Pool {
	p := workpool.New(config.Pool{Workers: 2, Queue: 100, Share: 100, JobTimeout: time.Minute, Nice: nice}, zap.NewNop(), prometheus.NewRegistry())
	if err := p.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

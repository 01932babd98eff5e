package app_test

import (
	"context"

	"plugboard/app"
)

type primesRequest struct {
	Below int `form:"below" binding:"required,max=1000000"`
}

type primesResponse struct {
	Primes int `json:"primes"`
}

type primesPlugin struct{ pool app.Pool }

func newPrimes(pool app.Pool) *primesPlugin { return &primesPlugin{pool} }

func (p *primesPlugin) OnBoot(b *app.Boot) { b.GET("/primes", app.Handle(p.Execute)) }

// Execute may load before and store after the computation. What only computes is registered with app.HandleCPU.
func (p *primesPlugin) Execute(ctx context.Context, req primesRequest) (primesResponse, error) {
	n, err := app.Compute(ctx, p.pool, func(job app.Job) (int, error) { return countPrimes(job, req.Below), nil })
	return primesResponse{Primes: n}, err
}

func countPrimes(job app.Job, below int) (n int) {
	composite := make([]bool, below)
	for i := 2; i < below; i++ {
		select {
		case <-job.Done(): // nobody waits any more
			return n
		default:
		}
		if composite[i] {
			continue
		}
		n++
		for j := 2 * i; j < below; j += i {
			composite[j] = true
		}
	}
	return n
}

// What computes for long runs on the work pool, so that it does not hold up other requests.
func ExampleCompute() {
	s := start(app.Domain("numbers", app.Plugin[*primesPlugin]("numbers.primes", newPrimes)))
	defer s.stop()
	s.get("/primes?below=1000")
	// Output:
	// 200 {"success":true,"data":{"primes":168},"error":null}
}

package plugins

import "sync"

func start() {
	go start() // want `nobody stops this goroutine`
	go start() //plug:allow goroutine it is stopped in Shutdown, which waits
	var group sync.WaitGroup
	group.Go(start) // want `use app.Compute`
	go start()      /* want `nobody stops this goroutine` */ //plug:allow goroutine
}

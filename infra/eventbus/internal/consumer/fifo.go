package consumer

// fifo is a first-in first-out queue of deliveries.
type fifo struct {
	buf  []*Item
	head int // the index of the next delivery
}

func (q *fifo) len() int { return len(q.buf) - q.head }

func (q *fifo) push(d *Item) {
	if len(q.buf) == cap(q.buf) && q.head > len(q.buf)/2 { // more than half of buf is free: move the deliveries to its beginning, and allocate nothing
		n := copy(q.buf, q.items())
		clear(q.buf[n:])
		q.buf, q.head = q.buf[:n], 0
	}
	q.buf = append(q.buf, d)
}

func (q *fifo) pop() *Item {
	d := q.buf[q.head]
	q.buf[q.head] = nil
	q.head++
	return d
}

// items returns the deliveries, the next one first. The slice is valid until the queue changes.
func (q *fifo) items() []*Item { return q.buf[q.head:] }

// drain empties the queue and returns its deliveries.
func (q *fifo) drain() []*Item {
	left := q.items()
	*q = fifo{}
	return left
}

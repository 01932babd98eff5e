package consumer

// fifo is a first-in first-out queue of deliveries.
type fifo struct {
	buf  []*Item
	head int // the next one
}

func (q *fifo) len() int { return len(q.buf) - q.head }

func (q *fifo) push(d *Item) {
	if len(q.buf) == cap(q.buf) && q.head > len(q.buf)/2 { // most of it is free: use that before more is allocated
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

// items returns the content, the next one first. It is valid until the queue changes.
func (q *fifo) items() []*Item { return q.buf[q.head:] }

// drain empties the queue and returns what was in it.
func (q *fifo) drain() []*Item {
	left := q.items()
	*q = fifo{}
	return left
}

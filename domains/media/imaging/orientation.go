package imaging

import (
	"encoding/binary"
	"image"
)

// orientation says how an image is to be turned for a viewer: the value of EXIF's tag of that name, from 1, as it is,
// to 8. 0 is not said.
type orientation uint16

const (
	tagOrientation = 0x0112
	typeShort      = 3
)

// swaps reports whether turning exchanges width and height.
func (o orientation) swaps() bool { return o >= 5 }

// readOrientation finds the orientation in EXIF data, which is laid out as a TIFF file; 0 when it is not there or
// not understood.
func readOrientation(exif []byte) orientation {
	if len(exif) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	start := uint64(order.Uint32(exif[4:]))
	if start+2 > uint64(len(exif)) {
		return 0
	}
	entries := exif[start+2:]
	for range order.Uint16(exif[start:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if o := orientation(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}

// turn returns img as a viewer is to see it. It is for small images: it visits pixel by pixel.
func (o orientation) turn(img *image.RGBA) *image.RGBA {
	if o <= 1 {
		return img
	}
	size := img.Bounds().Size()
	w, h := size.X, size.Y
	if o.swaps() {
		w, h = h, w
	}
	turned := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range size.Y {
		for x := range size.X {
			to := o.place(x, y, size)
			turned.SetRGBA(to.X, to.Y, img.RGBAAt(img.Rect.Min.X+x, img.Rect.Min.Y+y))
		}
	}
	return turned
}

// place returns the new place of the pixel at (x, y) of an image of the given size. The comments of the cases name, in the words
// of the EXIF specification, the sides to which the first row and the first column of the stored image belong.
func (o orientation) place(x, y int, size image.Point) image.Point {
	right, bottom := size.X-1-x, size.Y-1-y
	switch o {
	case 2: // top, right
		return image.Pt(right, y)
	case 3: // bottom, right
		return image.Pt(right, bottom)
	case 4: // bottom, left
		return image.Pt(x, bottom)
	case 5: // left, top
		return image.Pt(y, x)
	case 6: // right, top
		return image.Pt(bottom, x)
	case 7: // right, bottom
		return image.Pt(bottom, right)
	case 8: // left, bottom
		return image.Pt(y, right)
	default:
		return image.Pt(x, y)
	}
}

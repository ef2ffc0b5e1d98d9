//! A screen without a display: Slint's software renderer into memory, with a real event loop.
//!
//! Used by the scripted demo, the tests, the gallery and the benches. The loop blocks until a timer is
//! due or somebody posts work: an idle screen costs no CPU.
//!
//! Promises: what [`Headless::picture`] gives is what a panel of that size would show.
//! Never: part of a unit's own screen, which is Slint's KMS back end.

use slint::platform::{
    EventLoopProxy, Platform, PlatformError, PointerEventButton, WindowAdapter, WindowEvent,
    duration_until_next_timer_update,
    software_renderer::{MinimalSoftwareWindow, RepaintBufferType},
    update_timers_and_animations,
};
use slint::{EventLoopError, LogicalPosition, PhysicalSize, Rgb8Pixel};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};

/// How often a picture is drawn before it is taken: measuring and paging take up to three turns.
const SETTLING_TURNS: usize = 5;

/// Posted to the event loop.
enum Post {
    Work(Box<dyn FnOnce() + Send>),
    Quit,
}

/// The one window and its loop. Clones share both.
#[derive(Clone)]
pub struct Headless {
    window: Rc<MinimalSoftwareWindow>,
    frame: Rc<RefCell<Vec<Rgb8Pixel>>>,
    frames: Rc<Cell<u64>>,
}

/// A finished frame, three bytes a pixel.
pub struct Picture {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Red, green, blue; rows from the top.
    pub rgb: Vec<u8>,
}

struct HeadlessPlatform {
    screen: Headless,
    posts: Receiver<Post>,
    sender: Sender<Post>,
}

struct Proxy(Sender<Post>);

impl Headless {
    /// Makes this thread's Slint windows headless, `width` by `height` pixels.
    ///
    /// # Errors
    /// When this process already has a Slint platform.
    pub fn install(width: u32, height: u32) -> Result<Self, PlatformError> {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        window.set_size(PhysicalSize::new(width, height));
        let screen = Self { window, frame: Rc::default(), frames: Rc::default() };
        let (sender, posts) = channel();
        let platform = HeadlessPlatform { screen: screen.clone(), posts, sender };
        slint::platform::set_platform(Box::new(platform))
            .map_err(|e| PlatformError::Other(format!("a platform is already set: {e}")))?;
        Ok(screen)
    }

    /// Lays the window out in another size from now on.
    pub fn resize(&self, width: u32, height: u32) {
        self.window.set_size(PhysicalSize::new(width, height));
        self.window.request_redraw();
    }

    /// Width and height now.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let size = self.window.size();
        (size.width, size.height)
    }

    /// Lets timers fire and draws what changed; whether anything was drawn.
    pub fn draw(&self) -> bool {
        update_timers_and_animations();
        let (width, height) = self.size();
        let stride = usize::try_from(width).unwrap_or_default();
        let pixels = stride * usize::try_from(height).unwrap_or_default();
        let drawn = self.window.draw_if_needed(|renderer| {
            let mut frame = self.frame.borrow_mut();
            frame.resize(pixels, Rgb8Pixel::default());
            renderer.render(&mut frame, stride);
        });
        self.frames.set(self.frames.get() + u64::from(drawn));
        drawn
    }

    /// Frames drawn so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames.get()
    }

    /// Makes the next [`Self::draw`] draw every pixel.
    pub fn dirty(&self) {
        self.window.request_redraw();
        self.frame.borrow_mut().clear();
        let (width, height) = self.size();
        self.window.set_size(PhysicalSize::new(width, height));
    }

    /// The screen as it would look in this size; the window keeps its own.
    #[must_use]
    pub fn picture(&self, width: u32, height: u32) -> Picture {
        let (own_width, own_height) = self.size();
        self.resize(width, height);
        self.settle();
        let picture = self.frame();
        self.resize(own_width, own_height);
        self.settle();
        picture
    }

    /// The last frame drawn.
    #[must_use]
    pub fn frame(&self) -> Picture {
        let (width, height) = self.size();
        let rgb = self.frame.borrow().iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect();
        Picture { width, height, rgb }
    }

    /// Draws until what depends on the last drawing (sizes that pages measure) is drawn too.
    pub fn settle(&self) {
        for _ in 0..SETTLING_TURNS {
            self.window.request_redraw();
            self.draw();
        }
    }

    /// A finger comes down here, in pixels from the top left.
    pub fn press(&self, x: f32, y: f32) {
        let (position, button) = (LogicalPosition::new(x, y), PointerEventButton::Left);
        self.window.dispatch_event(WindowEvent::PointerPressed { position, button });
    }

    /// The finger is lifted here and is gone.
    pub fn release(&self, x: f32, y: f32) {
        let (position, button) = (LogicalPosition::new(x, y), PointerEventButton::Left);
        self.window.dispatch_event(WindowEvent::PointerReleased { position, button });
        self.window.dispatch_event(WindowEvent::PointerExited);
    }

    /// A key is pressed and released: a character or one of Slint's key codes.
    pub fn key(&self, text: &str) {
        self.window.dispatch_event(WindowEvent::KeyPressed { text: text.into() });
        self.window.dispatch_event(WindowEvent::KeyReleased { text: text.into() });
    }
}

impl Picture {
    /// Writes the picture as PNG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &std::path::Path) -> Result<(), png::EncodingError> {
        let file = std::io::BufWriter::new(std::fs::File::create(path)?);
        let mut encoder = png::Encoder::new(file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.rgb)
    }
}

impl Platform for HeadlessPlatform {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.screen.window.clone())
    }

    fn run_event_loop(&self) -> Result<(), PlatformError> {
        loop {
            self.screen.draw();
            match self.next_post() {
                Some(Post::Work(work)) => work(),
                Some(Post::Quit) => return Ok(()),
                None => {}
            }
        }
    }

    fn new_event_loop_proxy(&self) -> Option<Box<dyn EventLoopProxy>> {
        Some(Box::new(Proxy(self.sender.clone())))
    }

    /// A blinking caret would wake an idle kiosk twice a second.
    fn cursor_flash_cycle(&self) -> Duration {
        Duration::ZERO
    }
}

impl HeadlessPlatform {
    /// Blocks until somebody posts or a timer is due.
    fn next_post(&self) -> Option<Post> {
        let posted = if self.screen.window.has_active_animations() {
            self.posts.recv_timeout(Duration::from_millis(16))
        } else if let Some(wait) = duration_until_next_timer_update() {
            self.posts.recv_timeout(wait)
        } else {
            self.posts.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        posted.ok()
    }
}

impl EventLoopProxy for Proxy {
    fn quit_event_loop(&self) -> Result<(), EventLoopError> {
        self.0.send(Post::Quit).map_err(|_| EventLoopError::EventLoopTerminated)
    }

    fn invoke_from_event_loop(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), EventLoopError> {
        self.0.send(Post::Work(work)).map_err(|_| EventLoopError::EventLoopTerminated)
    }
}

//! tmp
#![no_std]
#![no_main]
exo::program!(main);
fn main() -> u8 {
    let scene = native::scene::Scene::new();
    scene.close()
}

fn main(){
use clockwise_core::{ids::*, layout::*, version::*};
for (n,weights,dcs) in [(1,1,1),(3,0,1),(4,0,1),(5,0,1),(6,0,1),(12,0,1),(12,1,1),(12,1,3),(30,0,1),(99,0,1),(99,1,3),(1000,0,1)] {
 for seed in 0..2u64 {
  let mut r = fastrand::Rng::with_seed(seed*1000+n);
  let members = (0..n).map(|i| Member{number:MemberNumber(i as u32+1),node:NodeId(core::array::from_fn(|_| r.u8(..))),token_seed:r.u64(..),weight: if weights==1 {[1,2,4][(i%3) as usize]} else {1}, dc: format!("dc{}",(i/3)%dcs), rack:String::new(),addresses:Addresses::default()}).collect();
  let t=std::time::Instant::now();
  let l=Layout::new(LayoutSpec{cluster:[0;16],epoch:Epoch(1),replicas:3,token_key:TokenKey([0;16]),digest_key:DigestKey([0;16]),members}).unwrap();
  let t1=t.elapsed();
  let t=std::time::Instant::now();
  let m=RoutingMap::new(&l,&|_|true);
  let t2=t.elapsed();
  let total: f64=l.spec().members.iter().map(|m| m.weight as f64).sum();
  let ratio = |count: &dyn Fn(MemberNumber)->f64, all: f64| { let v: Vec<f64> = l.spec().members.iter().map(|m| count(m.number)/(all*m.weight as f64/total)).collect(); (v.iter().cloned().fold(9.0,f64::min), v.iter().cloned().fold(0.0,f64::max)) };
  let sh=l.shares();
  let a=ratio(&|x| sh.iter().find(|s| s.0==x).unwrap().1 as f64, 16384.0*3.0);
  let b=ratio(&|x| m.rows.iter().filter(|r| r.master==x).map(|r| (r.last.number()-r.first.number()+1) as f64).sum(), 16384.0);
  println!("{n} w{weights} dc{dcs}: layout {t1:?} map {t2:?} rows {} owned {} share {:.3}..{:.3} master {:.3}..{:.3}", m.rows.len(), m.owned_slots,a.0,a.1,b.0,b.1);
 }}
}

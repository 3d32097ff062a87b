create table words(id integer primary key, word text, length integer);
begin;
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 500)
insert into words(word, length) select printf('word-%d', n * 7919 % 1009), n % 13 from numbers;
commit;
create index by_word on words(word);
select count(*), sum(length) from words where word like 'word-1%';
select length, count(*) from words group by length order by 2 desc limit 3;
update words set length = length + 1 where id % 5 = 0;
delete from words where id % 7 = 0;
select max(word), min(word) from words;
